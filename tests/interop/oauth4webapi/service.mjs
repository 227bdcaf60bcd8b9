// A service with oauth4webapi: a token, what introspection and an API say of it, its end.
import * as oauth from "oauth4webapi";
import { given, read, tell } from "../conversation.mjs";
import { as, auth, client, options } from "./configuration.mjs";
import { introspect, validateAtApi } from "./resource_server.mjs";

const parameters = new URLSearchParams({ scope: given.scope });
const response = await oauth.clientCredentialsGrantRequest(as, client, auth, parameters, options);
const { access_token } = await oauth.processClientCredentialsResponse(as, client, response);
if (!given.certificate) await validateAtApi(access_token);
const introspected = await introspect(access_token);
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, access_token, options));
tell({ access_token: read(access_token), introspected, after: await introspect(access_token) });
