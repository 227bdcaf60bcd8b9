// Authorization code with PKCE, renewal by refresh token, sign-out: all of it is oidc-client-ts.
"use strict";

const show = (text) => { document.getElementById("output").textContent = text; };
const status = (text) => { document.getElementById("status").textContent = text; };

async function main() {
  const config = await (await fetch("/config.json")).json();
  const manager = new oidc.UserManager({
    authority: config.issuer,
    client_id: config.client_id,
    redirect_uri: `${location.origin}/callback`,
    post_logout_redirect_uri: `${location.origin}/`,
    response_type: "code",
    scope: "openid profile email offline_access",
    loadUserInfo: true, // with a code flow, claims about the person come from UserInfo
    automaticSilentRenew: true,
    userStore: new oidc.WebStorageStateStore({ store: sessionStorage }),
  });

  if (location.pathname === "/callback") {
    try {
      await manager.signinRedirectCallback();
    } catch (error) {
      status(`Sign-in failed: ${error.message}`);
    }
    history.replaceState(null, "", "/");
  }

  const render = async () => {
    const user = await manager.getUser();
    const isSignedIn = user !== null && !user.expired;
    document.getElementById("sign-in").hidden = isSignedIn;
    for (const id of ["call-api", "renew", "sign-out"]) document.getElementById(id).hidden = !isSignedIn;
    status(isSignedIn ? `Hello ${user.profile.name}` : "You are not signed in.");
    if (isSignedIn) show(JSON.stringify(user.profile, null, 2));
    return user;
  };

  document.getElementById("sign-in").onclick = () => manager.signinRedirect();
  document.getElementById("sign-out").onclick = () => manager.signoutRedirect();
  document.getElementById("renew").onclick = async () => {
    const before = (await manager.getUser()).access_token;
    const after = (await manager.signinSilent()).access_token;
    show(before === after ? "The token is the same." : "The token was renewed.");
  };
  document.getElementById("call-api").onclick = async () => {
    const user = await manager.getUser();
    const answer = await fetch(`${config.api}/whoami`, { headers: { authorization: `Bearer ${user.access_token}` } });
    show(JSON.stringify(await answer.json(), null, 2));
  };
  await render();
}

main().catch((error) => status(`Something went wrong: ${error.message}`));
