// The client of a test, as oauth4webapi knows it, and the server's metadata.
import * as oauth from "oauth4webapi";
import { fetchWithCertificate, given, privateKey } from "../conversation.mjs";
import { decrypt, decryptionKey } from "../encryption.mjs";

const { client_secret, private_key, decryption_key, ...metadata } = given.client;
const authentications = {
  client_secret_basic: () => oauth.ClientSecretBasic(client_secret),
  client_secret_post: () => oauth.ClientSecretPost(client_secret),
  client_secret_jwt: () => oauth.ClientSecretJwt(client_secret),
  private_key_jwt: async () => oauth.PrivateKeyJwt(await privateKey(private_key)),
  tls_client_auth: () => oauth.TlsClientAuth(),
  self_signed_tls_client_auth: () => oauth.TlsClientAuth(),
  none: () => oauth.None(),
};

export const client = metadata;
export const options = { [oauth.allowInsecureRequests]: true };
if (given.certificate) options[oauth.customFetch] = fetchWithCertificate;
if (decryption_key) {
  const key = await decryptionKey(decryption_key);
  options[oauth.jweDecrypt] = (jwe) => decrypt(jwe, key);
}
export const auth = await authentications[metadata.token_endpoint_auth_method]?.();

const issuer = new URL(given.issuer);
const discovered = await oauth.discoveryRequest(issuer, { algorithm: given.algorithm ?? "oauth2", ...options });
export const as = await oauth.processDiscoveryResponse(issuer, discovered);

/** Send and process, once more where the server wants its nonce in the DPoP proof. */
export async function withNonce(send) {
  try {
    return await send();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return send();
  }
}
