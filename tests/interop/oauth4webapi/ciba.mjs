// OpenID Connect CIBA with oauth4webapi.
import * as oauth from "oauth4webapi";
import { decide, given, tell } from "../conversation.mjs";
import { as, auth, client, options } from "./configuration.mjs";

const parameters = { scope: given.scope, ...given.parameters };
const response = await oauth.backchannelAuthenticationRequest(as, client, auth, parameters, options);
const begun = await oauth.processBackchannelAuthenticationResponse(as, client, response);
const decided = await decide(begun);
const tokens = await oauth.processBackchannelAuthenticationGrantResponse(
  as, client, await oauth.backchannelAuthenticationGrantRequest(as, client, auth, begun.auth_req_id, options),
);
const claims = oauth.getValidatedIdTokenClaims(tokens);
tell({ begun, decided, claims, has_refresh_token: Boolean(tokens.refresh_token) });
