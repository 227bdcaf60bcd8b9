// RFC 7591 with openid-client.
import * as client from "openid-client";
import { given, tell } from "../conversation.mjs";
import { execute } from "./configuration.mjs";

const options = { execute, initialAccessToken: given.token };
const config = await client.dynamicClientRegistration(new URL(given.issuer), given.metadata, undefined, options);
tell(config.clientMetadata());
