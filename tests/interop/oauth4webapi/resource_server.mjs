// What a resource server does with an access token.
import * as oauth from "oauth4webapi";
import { given } from "../conversation.mjs";
import { as, auth, client, options } from "./configuration.mjs";

/** RFC 7662, or RFC 9701 where the client is registered for it. */
export async function introspect(token) {
  const response = await oauth.introspectionRequest(as, client, auth, token, options);
  const told = await oauth.processIntrospectionResponse(as, client, response, options);
  const isSigned = response.headers.get("content-type").startsWith("application/token-introspection+jwt");
  if (isSigned) await oauth.validateApplicationLevelSignature(as, response, options);
  return told;
}

/** RFC 9068 section 4. */
export async function validateAtApi(token) {
  const request = new Request("https://api.example/", { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(as, request, given.issuer, options);
}
