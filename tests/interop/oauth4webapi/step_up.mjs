// RFC 9470 with oauth4webapi.
import * as oauth from "oauth4webapi";
import { enrol, tell } from "../conversation.mjs";
import { codeFlow } from "./code.mjs";
import { as, client, options } from "./configuration.mjs";

async function userInfo(tokens) {
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);
  const response = await oauth.userInfoRequest(as, client, tokens.access_token, options);
  return oauth.processUserInfoResponse(as, client, sub, response);
}

const refused = await userInfo(await codeFlow({})).then(
  () => { throw new Error("it was not refused"); },
  (error) => error,
);
if (!Array.isArray(refused.cause)) throw refused;
const challenge = refused.cause[0].parameters;
const strong = await codeFlow({ acr_values: challenge.acr_values }, enrol);
tell({ challenge, claims: oauth.getValidatedIdTokenClaims(strong), userinfo: await userInfo(strong) });
