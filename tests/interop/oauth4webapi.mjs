// oauth4webapi as a relying party, a service and a resource server. Argument: {stage, issuer, client, ...}; prints JSON.
import * as oauth from "oauth4webapi";

const given = JSON.parse(process.argv[2]);
const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(given.issuer);
const client = { client_id: given.client.client_id };

async function authentication() {
  const { token_endpoint_auth_method: method, client_secret, private_key } = given.client;
  if (method === "none") return oauth.None();
  if (method === "client_secret_post") return oauth.ClientSecretPost(client_secret);
  if (method === "client_secret_basic") return oauth.ClientSecretBasic(client_secret);
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("jwk", private_key, algorithm, false, ["sign"]);
  return oauth.PrivateKeyJwt({ key, kid: private_key.kid });
}

async function discover(algorithm) {
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure }));
}

const as = await discover("oidc");
const auth = await authentication();

async function authorize() {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const url = new URL(as.authorization_endpoint);
  const parameters = {
    client_id: client.client_id,
    redirect_uri: given.callback,
    response_type: "code",
    scope: "openid profile email offline_access",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { url: url.href, verifier, state, nonce };
}

async function finish() {
  // checks state, and iss because the metadata announce it (RFC 9207)
  const answer = oauth.validateAuthResponse(as, client, new URL(given.answer), given.state);
  const response = await oauth.authorizationCodeGrantRequest(
    as, client, auth, answer, given.callback, given.verifier, insecure,
  );
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
    expectedNonce: given.nonce,
    requireIdToken: true,
  });
  await oauth.validateApplicationLevelSignature(as, response, insecure);
  const claims = oauth.getValidatedIdTokenClaims(tokens);
  const userinfo = await oauth.processUserInfoResponse(
    as, client, claims.sub, await oauth.userInfoRequest(as, client, tokens.access_token, insecure),
  );
  const again = await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, insecure);
  const renewed = await oauth.processRefreshTokenResponse(as, client, again);
  const at_api = await atTheApi(renewed.access_token);
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(as, client, auth, renewed.refresh_token, insecure),
  );
  const refused = await oauth.refreshTokenGrantRequest(as, client, auth, renewed.refresh_token, insecure);
  const after_revocation = await oauth
    .processRefreshTokenResponse(as, client, refused)
    .then(() => "works", (error) => error.error);
  return { claims, userinfo, at_api, after_revocation };
}

// What a resource server does with an access token (RFC 9068 section 4).
async function atTheApi(token) {
  const request = new Request("https://api.example/", { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(as, request, given.issuer, insecure);
}

async function introspect(token) {
  const response = await oauth.introspectionRequest(as, client, auth, token, insecure);
  return oauth.processIntrospectionResponse(as, client, response);
}

async function serve() {
  const oauth2 = await discover("oauth2");
  const response = await oauth.clientCredentialsGrantRequest(
    oauth2, client, auth, new URLSearchParams({ scope: given.scope }), insecure,
  );
  const tokens = await oauth.processClientCredentialsResponse(oauth2, client, response);
  const introspected = await introspect(tokens.access_token);
  const at_api = await atTheApi(tokens.access_token);
  const revocation = await oauth.revocationRequest(as, client, auth, tokens.access_token, insecure);
  await oauth.processRevocationResponse(revocation);
  return { tokens, introspected, at_api, after: await introspect(tokens.access_token) };
}

console.log(JSON.stringify(await { authorize, finish, serve }[given.stage]()));
