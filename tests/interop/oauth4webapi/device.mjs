// RFC 8628 with oauth4webapi: once too early, then for the tokens.
import * as oauth from "oauth4webapi";
import { decide, given, tell } from "../conversation.mjs";
import { as, auth, client, options } from "./configuration.mjs";

const response = await oauth.deviceAuthorizationRequest(as, client, auth, { scope: given.scope }, options);
const begun = await oauth.processDeviceAuthorizationResponse(as, client, response);

async function poll() {
  const answer = await oauth.deviceCodeGrantRequest(as, client, auth, begun.device_code, options);
  return oauth.processDeviceCodeResponse(as, client, answer);
}

const early = await poll().then(() => "tokens", (error) => error.error);
if (early !== "authorization_pending") throw new Error(early);
const decided = await decide(begun);
const tokens = await poll();
const claims = oauth.getValidatedIdTokenClaims(tokens);
tell({ begun, decided, claims, has_refresh_token: Boolean(tokens.refresh_token) });
