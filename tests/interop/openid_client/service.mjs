// A service with openid-client: a token, what introspection says of it, its end.
import * as client from "openid-client";
import { given, read, tell } from "../conversation.mjs";
import { configure } from "./configuration.mjs";

const config = await configure();
const tokens = await client.clientCredentialsGrant(config, { scope: given.scope });
const introspected = await client.tokenIntrospection(config, tokens.access_token);
await client.tokenRevocation(config, tokens.access_token);
const after = await client.tokenIntrospection(config, tokens.access_token);
tell({ access_token: read(tokens.access_token), introspected, after });
