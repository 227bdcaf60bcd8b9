// OpenID Connect Session Management 1.0 section 3.2: a client asks "client_id session_state", and hears whether the
// sign-in in this browser is still the one that its session_state was made of.
(() => {
  const name = document.documentElement.dataset.cookie + "=";

  const browserState = () => {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(name));
    return found ? found.slice(name.length) : "";
  };

  const digest = async (text) => {
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  const answer = async (question, origin) => {
    const parts = typeof question === "string" ? question.split(" ") : [];
    const [clientId, sessionState] = parts;
    const salt = sessionState ? sessionState.split(".")[1] : "";
    if (parts.length !== 2 || !clientId || !salt || !crypto.subtle) return "error";
    const expected = await digest([clientId, origin, browserState(), salt].join(" "));
    return sessionState === `${expected}.${salt}` ? "unchanged" : "changed";
  };

  addEventListener("message", async (event) => {
    if (!event.source || event.origin === "null") return;
    event.source.postMessage(await answer(event.data, event.origin), event.origin);
  });
})();
