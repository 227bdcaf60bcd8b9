// Compact JWE with RSA-OAEP-256 and A256GCM (RFC 7516, RFC 7518 sections 4.3 and 5.3), for what the libraries leave out.
const { subtle } = crypto;
const oaep = { name: "RSA-OAEP", hash: "SHA-256" };
const encode = (data) => Buffer.from(data).toString("base64url");
const decode = (text) => Buffer.from(text, "base64url");
const TAG_BYTES = 16;

/** The private key of a JWK, to decrypt with. */
export async function decryptionKey({ alg, key_ops, use, ...jwk }) {
  const isRsa = jwk.kty === "RSA";
  const algorithm = isRsa ? oaep : { name: "ECDH", namedCurve: jwk.crv };
  const key = await subtle.importKey("jwk", jwk, algorithm, false, isRsa ? ["decrypt"] : ["deriveBits"]);
  return { key, kid: jwk.kid, alg };
}

/** Encrypt a JWT to the one of the server's keys that it publishes for this. */
export async function encrypt(jwt, jwksUri) {
  const { keys } = await (await fetch(jwksUri)).json();
  const { alg, kid, kty, n, e } = keys.find((key) => key.use === "enc" && key.alg === "RSA-OAEP-256");
  const recipient = await subtle.importKey("jwk", { kty, n, e }, oaep, false, ["encrypt"]);
  const secret = crypto.getRandomValues(new Uint8Array(32));
  const key = await subtle.importKey("raw", secret, "AES-GCM", false, ["encrypt"]);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const header = encode(JSON.stringify({ alg, enc: "A256GCM", kid, cty: "JWT" }));
  const additionalData = Buffer.from(header);
  const sealed = Buffer.from(await subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, Buffer.from(jwt)));
  const parts = [
    await subtle.encrypt(oaep, recipient, secret), iv, sealed.subarray(0, -TAG_BYTES), sealed.subarray(-TAG_BYTES),
  ];
  return [header, ...parts.map(encode)].join(".");
}

/** Decrypt what the server encrypted with these algorithms. */
export async function decrypt(token, { key }) {
  const [header, ...rest] = token.split(".");
  const [wrapped, iv, sealed, tag] = rest.map(decode);
  const secret = await subtle.importKey("raw", await subtle.decrypt(oaep, key, wrapped), "AES-GCM", false, ["decrypt"]);
  const options = { name: "AES-GCM", iv, additionalData: Buffer.from(header) };
  return Buffer.from(await subtle.decrypt(options, secret, Buffer.concat([sealed, tag]))).toString();
}
