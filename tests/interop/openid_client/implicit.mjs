// OpenID Connect Core section 3.2 with openid-client: an ID token and no access token.
import * as client from "openid-client";
import { given, tell, visit } from "../conversation.mjs";
import { configure } from "./configuration.mjs";

const config = await configure();
client.useIdTokenResponseType(config);
const nonce = client.randomNonce();
const state = client.randomState();
const url = client.buildAuthorizationUrl(config, {
  redirect_uri: given.callback, scope: "openid email", nonce, state,
});
tell(await client.implicitAuthentication(config, await visit(url), nonce, { expectedState: state }));
