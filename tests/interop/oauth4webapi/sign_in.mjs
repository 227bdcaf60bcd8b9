// A whole sign-in with oauth4webapi: `use` says with what. Then all that can be done with the tokens, to their end.
import * as oauth from "oauth4webapi";
import { given, privateKey, read, tell, visit } from "../conversation.mjs";
import { encrypt } from "../encryption.mjs";
import { as, auth, client, options, withNonce } from "./configuration.mjs";
import { introspect, validateAtApi } from "./resource_server.mjs";

const { use } = given;
if (use.dpop) options.DPoP = oauth.DPoP(client, await oauth.generateKeyPair(use.dpop));
const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const nonce = oauth.generateRandomNonce();
let parameters = new URLSearchParams({
  client_id: client.client_id,
  redirect_uri: given.callback,
  response_type: use.hybrid || use.detached ? "code id_token" : "code",
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  scope: given.scope,
  state,
  nonce,
  ...(use.jarm && { response_mode: "jwt" }),
  ...given.parameters,
});

async function authorizationUrl() {
  if (use.jar) {
    let request = await oauth.issueRequestObject(as, client, parameters, await privateKey(given.client.private_key));
    if (use.encrypted) request = await encrypt(request, as.jwks_uri);
    parameters = new URLSearchParams({ client_id: client.client_id, request });
  }
  if (use.par) {
    const { request_uri } = await withNonce(async () =>
      oauth.processPushedAuthorizationResponse(
        as, client, await oauth.pushedAuthorizationRequest(as, client, auth, parameters, options),
      ),
    );
    parameters = new URLSearchParams({ client_id: client.client_id, request_uri });
  }
  const url = new URL(as.authorization_endpoint);
  url.search = parameters;
  return url;
}

async function validated(answer) {
  if (use.jarm) return oauth.validateJwtAuthResponse(as, client, answer, state, options);
  const front = { hybrid: oauth.validateCodeIdTokenResponse, detached: oauth.validateDetachedSignatureResponse };
  const kind = Object.keys(front).find((name) => use[name]);
  if (kind) return front[kind](as, client, answer, nonce, state, undefined, options);
  return oauth.validateAuthResponse(as, client, answer, state);
}

const processUserInfo = (token, subject) =>
  withNonce(async () => {
    const response = await oauth.userInfoRequest(as, client, token, options);
    const told = await oauth.processUserInfoResponse(as, client, subject, response, options);
    const isSigned = response.headers.get("content-type").startsWith("application/jwt");
    if (isSigned) await oauth.validateApplicationLevelSignature(as, response, options);
    return told;
  });

const url = await authorizationUrl();
const answer = await visit(url);
const code = await validated(answer);
let response;
const tokens = await withNonce(async () => {
  response = await oauth.authorizationCodeGrantRequest(as, client, auth, code, given.callback, verifier, options);
  const checks = { ...options, expectedNonce: nonce, requireIdToken: true, ...given.checks };
  return oauth.processAuthorizationCodeResponse(as, client, response, checks);
});
await oauth.validateApplicationLevelSignature(as, response, options);
const claims = oauth.getValidatedIdTokenClaims(tokens);
const userinfo = await processUserInfo(tokens.access_token, claims.sub);
const renewed = await withNonce(async () =>
  oauth.processRefreshTokenResponse(
    as, client, await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, options), options,
  ),
);
const again = await processUserInfo(renewed.access_token, claims.sub);
const atApi = use.dpop || given.certificate ? null : await validateAtApi(renewed.access_token);
const isPublic = given.client.token_endpoint_auth_method === "none";
const latest = renewed.refresh_token ?? tokens.refresh_token; // FAPI 2.0 has no rotation
const introspected = isPublic ? null : await introspect(renewed.access_token);
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, latest, options));
const after_revocation = await withNonce(async () =>
  oauth.processRefreshTokenResponse(
    as, client, await oauth.refreshTokenGrantRequest(as, client, auth, latest, options), options,
  ),
).then(() => "works", (error) => error.error);
tell({
  sent: Object.fromEntries(url.searchParams),
  answered: Object.fromEntries(answer.hash ? new URLSearchParams(answer.hash.slice(1)) : answer.searchParams),
  claims,
  id_token: read(tokens.id_token),
  token_type: tokens.token_type,
  access_token: read(renewed.access_token),
  userinfo,
  again,
  at_api: atApi,
  introspected,
  after_revocation,
});
