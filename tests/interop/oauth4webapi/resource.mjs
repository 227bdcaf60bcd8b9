// RFC 9728 with oauth4webapi: from a challenge to the resource's metadata, and on to the issuer's.
import * as oauth from "oauth4webapi";
import { given, tell } from "../conversation.mjs";

const options = { [oauth.allowInsecureRequests]: true };
const resource = new URL(given.issuer);
const refused = await oauth
  .protectedResourceRequest("not-a-token", "GET", new URL(`${given.issuer}/userinfo`), undefined, undefined, options)
  .then(() => { throw new Error("it was not refused"); }, (error) => error);
if (!Array.isArray(refused.cause)) throw refused;
const response = await oauth.resourceDiscoveryRequest(resource, options);
const metadata = await oauth.processResourceDiscoveryResponse(resource, response);
const issuer = new URL(metadata.authorization_servers[0]);
const discovered = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...options });
const { jwks_uri } = await oauth.processDiscoveryResponse(issuer, discovered);
tell({ challenge: refused.cause[0].parameters, url: response.url, metadata, jwks_uri });
