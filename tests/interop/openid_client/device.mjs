// RFC 8628 with openid-client, which polls by itself: once too early, then for the tokens.
import * as client from "openid-client";
import { decide, given, tell } from "../conversation.mjs";
import { configure } from "./configuration.mjs";

const config = await configure();
const begun = await client.initiateDeviceAuthorization(config, { scope: given.scope });
const polling = client.pollDeviceAuthorizationGrant(config, { ...begun, interval: 1 });
await new Promise((resolve) => setTimeout(resolve, 1500));
const decided = await decide(begun);
const tokens = await polling;
tell({ begun, decided, claims: tokens.claims(), has_refresh_token: Boolean(tokens.refresh_token) });
