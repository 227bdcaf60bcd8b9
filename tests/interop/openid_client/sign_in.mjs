// A whole sign-in with openid-client: `use` says with what. Then all that can be done with the tokens, to their end.
import * as client from "openid-client";
import { given, privateKey, read, tell, visit } from "../conversation.mjs";
import { encrypt } from "../encryption.mjs";
import { configure } from "./configuration.mjs";

const { use } = given;
const config = await configure();
if (use.jarm) client.useJwtResponseMode(config);
if (use.hybrid || use.detached) client.useCodeIdTokenResponseType(config);
if (use.detached) client.enableDetachedSignatureResponseChecks(config);

const DPoP = use.dpop ? client.getDPoPHandle(config, await client.randomDPoPKeyPair(use.dpop)) : undefined;
const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();
const nonce = client.randomNonce();
const parameters = {
  redirect_uri: given.callback,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  scope: given.scope,
  state,
  nonce,
  ...given.parameters,
};

async function authorizationUrl() {
  if (!use.jar) {
    return use.par
      ? client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })
      : client.buildAuthorizationUrl(config, parameters);
  }
  const url = await client.buildAuthorizationUrlWithJAR(config, parameters, await privateKey(given.client.private_key));
  let request = url.searchParams.get("request");
  if (use.encrypted) request = await encrypt(request, config.serverMetadata().jwks_uri);
  return use.par
    ? client.buildAuthorizationUrlWithPAR(config, { request }, { DPoP })
    : client.buildAuthorizationUrl(config, { request });
}

const url = await authorizationUrl();
const answer = await visit(url);
const checks = {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  idTokenExpected: true,
  ...given.checks,
};
const tokens = await client.authorizationCodeGrant(config, answer, checks, undefined, { DPoP });
const claims = tokens.claims();
const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP });
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
const again = await client.fetchUserInfo(config, renewed.access_token, claims.sub, { DPoP });
const isPublic = given.client.token_endpoint_auth_method === "none";
const latest = renewed.refresh_token ?? tokens.refresh_token; // FAPI 2.0 has no rotation
const introspected = isPublic ? null : await client.tokenIntrospection(config, renewed.access_token);
await client.tokenRevocation(config, latest);
const after_revocation = await client
  .refreshTokenGrant(config, latest, undefined, { DPoP })
  .then(() => "works", (error) => error.error);
const leave = { id_token_hint: tokens.id_token, post_logout_redirect_uri: given.after, state: "bye" };
tell({
  sent: Object.fromEntries(url.searchParams),
  answered: Object.fromEntries(answer.hash ? new URLSearchParams(answer.hash.slice(1)) : answer.searchParams),
  claims,
  id_token: read(tokens.id_token),
  token_type: tokens.token_type,
  access_token: read(renewed.access_token),
  userinfo,
  again,
  introspected,
  after_revocation,
  end_session: client.buildEndSessionUrl(config, leave).href,
});
