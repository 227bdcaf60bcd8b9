// openid-client as a relying party and as a service. Argument: {stage, issuer, client, ...}; prints JSON.
import * as client from "openid-client";

const given = JSON.parse(process.argv[2]);
const { client_id, client_secret, private_key } = given.client;

const authentications = {
  client_secret_basic: () => client.ClientSecretBasic(client_secret),
  client_secret_post: () => client.ClientSecretPost(client_secret),
  none: () => client.None(),
  private_key_jwt: async () => {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("jwk", private_key, algorithm, false, ["sign"]);
    return client.PrivateKeyJwt({ key, kid: private_key.kid });
  },
};

const authentication = await authentications[given.client.token_endpoint_auth_method]();
const config = await client.discovery(new URL(given.issuer), client_id, {}, authentication, {
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
});

async function authorize() {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: given.callback,
    scope: "openid profile email offline_access",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  });
  return { url: url.href, verifier, state, nonce };
}

async function finish() {
  const tokens = await client.authorizationCodeGrant(config, new URL(given.answer), {
    pkceCodeVerifier: given.verifier,
    expectedState: given.state,
    expectedNonce: given.nonce,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token);
  const result = { claims, userinfo, renewed: renewed.access_token !== tokens.access_token };
  if (given.client.token_endpoint_auth_method !== "none") {
    result.introspected = await client.tokenIntrospection(config, renewed.access_token);
  }
  await client.tokenRevocation(config, renewed.refresh_token);
  result.after_revocation = await client
    .refreshTokenGrant(config, renewed.refresh_token)
    .then(() => "works", (error) => error.error);
  result.end_session = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: given.after,
    state: "bye",
  }).href;
  return result;
}

async function serve() {
  const tokens = await client.clientCredentialsGrant(config, { scope: given.scope });
  const introspected = await client.tokenIntrospection(config, tokens.access_token);
  await client.tokenRevocation(config, tokens.access_token);
  const after = await client.tokenIntrospection(config, tokens.access_token);
  return { tokens, introspected, after };
}

console.log(JSON.stringify(await { authorize, finish, serve }[given.stage]()));
