// RFC 8693 with openid-client: an API exchanges a person's token for one of the API behind it.
import * as client from "openid-client";
import { given, read, tell } from "../conversation.mjs";
import { codeFlow } from "./code.mjs";
import { configure } from "./configuration.mjs";

const config = await configure();
const own = await codeFlow(config, { resource: given.source });
const tokens = await client.genericGrantRequest(config, "urn:ietf:params:oauth:grant-type:token-exchange", {
  subject_token: own.access_token,
  subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
  resource: given.target,
});
tell({ issued: tokens.issued_token_type, before: read(own.access_token), after: read(tokens.access_token) });
