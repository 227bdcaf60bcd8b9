// OpenID Connect CIBA with openid-client, which polls by itself.
import * as client from "openid-client";
import { decide, given, tell } from "../conversation.mjs";
import { configure } from "./configuration.mjs";

const config = await configure();
const begun = await client.initiateBackchannelAuthentication(config, { scope: given.scope, ...given.parameters });
const isPing = config.clientMetadata().backchannel_token_delivery_mode === "ping";
let decided;
let polling;
if (isPing) {
  decided = await decide(begun);
  polling = client.pollBackchannelAuthenticationGrant(config, { ...begun, interval: 0 });
} else {
  polling = client.pollBackchannelAuthenticationGrant(config, { ...begun, interval: 1 });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  decided = await decide(begun);
}
const tokens = await polling;
tell({ begun, decided, claims: tokens.claims(), has_refresh_token: Boolean(tokens.refresh_token) });
