// RFC 7591 with oauth4webapi.
import * as oauth from "oauth4webapi";
import { given, tell } from "../conversation.mjs";
import { as, options } from "./configuration.mjs";

const response = await oauth.dynamicClientRegistrationRequest(as, given.metadata, {
  ...options, initialAccessToken: given.token,
});
tell(await oauth.processDynamicClientRegistrationResponse(response));
