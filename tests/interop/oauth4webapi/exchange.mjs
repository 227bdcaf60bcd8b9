// RFC 8693 with oauth4webapi: an API exchanges a person's token for one of the API behind it.
import * as oauth from "oauth4webapi";
import { given, read, tell } from "../conversation.mjs";
import { codeFlow } from "./code.mjs";
import { as, auth, client, options } from "./configuration.mjs";

const own = await codeFlow({ resource: given.source });
const response = await oauth.genericTokenEndpointRequest(
  as, client, auth, "urn:ietf:params:oauth:grant-type:token-exchange",
  {
    subject_token: own.access_token,
    subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
    resource: given.target,
  },
  options,
);
const tokens = await oauth.processGenericTokenEndpointResponse(as, client, response);
tell({ issued: tokens.issued_token_type, before: read(own.access_token), after: read(tokens.access_token) });
