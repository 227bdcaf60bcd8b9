// The client of a test, as openid-client knows it.
import * as client from "openid-client";
import { fetchWithCertificate, given, privateKey } from "../conversation.mjs";
import { decryptionKey } from "../encryption.mjs";

const { client_id, client_secret, private_key, decryption_key, ...metadata } = given.client;
export const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];

const authentications = {
  client_secret_basic: () => client.ClientSecretBasic(client_secret),
  client_secret_post: () => client.ClientSecretPost(client_secret),
  client_secret_jwt: () => client.ClientSecretJwt(client_secret),
  private_key_jwt: async () => client.PrivateKeyJwt(await privateKey(private_key)),
  tls_client_auth: () => client.TlsClientAuth(),
  self_signed_tls_client_auth: () => client.TlsClientAuth(),
  none: () => client.None(),
};

export async function configure() {
  const authentication = await authentications[metadata.token_endpoint_auth_method]();
  const options = { execute };
  if (given.certificate) options[client.customFetch] = fetchWithCertificate;
  const config = await client.discovery(new URL(given.issuer), client_id, metadata, authentication, options);
  if (decryption_key) client.enableDecryptingResponses(config, undefined, await decryptionKey(decryption_key));
  return config;
}
