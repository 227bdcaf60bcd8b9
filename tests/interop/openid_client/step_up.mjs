// RFC 9470 with openid-client.
import * as client from "openid-client";
import { enrol, tell } from "../conversation.mjs";
import { codeFlow } from "./code.mjs";
import { configure } from "./configuration.mjs";

const config = await configure();
const weak = await codeFlow(config, {});
const refused = await client.fetchUserInfo(config, weak.access_token, weak.claims().sub).then(
  () => { throw new Error("it was not refused"); },
  (error) => error,
);
if (!Array.isArray(refused.cause)) throw refused;
const challenge = refused.cause[0].parameters;
const strong = await codeFlow(config, { acr_values: challenge.acr_values }, enrol);
const claims = strong.claims();
tell({ challenge, claims, userinfo: await client.fetchUserInfo(config, strong.access_token, claims.sub) });
