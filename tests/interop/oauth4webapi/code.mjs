// The code flow with oauth4webapi, and nothing else.
import * as oauth from "oauth4webapi";
import { given, visit } from "../conversation.mjs";
import { as, auth, client, options } from "./configuration.mjs";

export async function codeFlow(parameters, look = visit) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: given.callback,
    response_type: "code",
    scope: given.scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    ...parameters,
  });
  const answer = oauth.validateAuthResponse(as, client, await look(url), state);
  const response = await oauth.authorizationCodeGrantRequest(
    as, client, auth, answer, given.callback, verifier, options,
  );
  return oauth.processAuthorizationCodeResponse(as, client, response);
}
