// Passkeys: the browser's answer goes back in a hidden field of an ordinary form.
"use strict";
(() => {
  const supported = Boolean(window.PublicKeyCredential && navigator.credentials);
  for (const element of document.querySelectorAll('[data-needs="passkey"]')) element.hidden = !supported;
  for (const element of document.querySelectorAll('[data-without="passkey"]')) element.hidden = supported;
  if (!supported) return;

  const toBytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const credentials = (list) => (list || []).map((one) => ({ ...one, id: toBytes(one.id) }));

  const optionsOf = (form) => {
    const options = JSON.parse(form.dataset.options);
    options.challenge = toBytes(options.challenge);
    if (options.user) options.user.id = toBytes(options.user.id);
    if (options.allowCredentials) options.allowCredentials = credentials(options.allowCredentials);
    if (options.excludeCredentials) options.excludeCredentials = credentials(options.excludeCredentials);
    return options;
  };

  const jsonOf = (credential) => {
    const answer = credential.response;
    const response = { clientDataJSON: toText(answer.clientDataJSON) };
    if (answer.attestationObject) {
      response.attestationObject = toText(answer.attestationObject);
      response.transports = answer.getTransports ? answer.getTransports() : [];
    } else {
      response.authenticatorData = toText(answer.authenticatorData);
      response.signature = toText(answer.signature);
      response.userHandle = answer.userHandle ? toText(answer.userHandle) : null;
    }
    return JSON.stringify({
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment || null,
      clientExtensionResults: {},
      response,
    });
  };

  const send = (form, credential) => {
    form.elements.credential.value = jsonOf(credential);
    // what was ticked in the other form of the page counts here too
    for (const box of document.querySelectorAll('input[type="checkbox"]:checked')) {
      if (box.form === form) continue;
      const copy = document.createElement("input");
      Object.assign(copy, { type: "hidden", name: box.name, value: box.value });
      form.append(copy);
    }
    form.submit();
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const status = form.querySelector(".passkey-status");
    let waiting = null;
    form.hidden = false;

    const waitForAutofill = async () => {
      if (!("conditional" in form.dataset) || !PublicKeyCredential.isConditionalMediationAvailable) return;
      if (!(await PublicKeyCredential.isConditionalMediationAvailable())) return;
      waiting = new AbortController();
      try {
        const request = { publicKey: optionsOf(form), mediation: "conditional", signal: waiting.signal };
        send(form, await navigator.credentials.get(request));
      } catch {
        waiting = null; // nobody chose a passkey from the list, or the button was pressed
      }
    };

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (waiting) waiting.abort();
      const button = form.querySelector("button");
      button.disabled = true;
      status.textContent = "";
      try {
        const publicKey = optionsOf(form);
        const credential =
          form.dataset.passkey === "create"
            ? await navigator.credentials.create({ publicKey })
            : await navigator.credentials.get({ publicKey });
        send(form, credential);
      } catch (error) {
        status.textContent = error.name === "InvalidStateError" ? form.dataset.known : form.dataset.failed;
        button.disabled = false;
        waitForAutofill();
      }
    });
    waitForAutofill();
  }
})();
