// The code flow with openid-client, and nothing else.
import * as client from "openid-client";
import { given, visit } from "../conversation.mjs";

export async function codeFlow(config, parameters, look = visit) {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: given.callback,
    scope: given.scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    ...parameters,
  });
  return client.authorizationCodeGrant(config, await look(url), { pkceCodeVerifier: verifier, expectedState: state });
}
