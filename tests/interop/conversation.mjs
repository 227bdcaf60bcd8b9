// What a script and its test say to each other: tests/support/conversation.py.
import { createInterface } from "node:readline";

export const given = JSON.parse(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function ask(what, value) {
  console.log(JSON.stringify({ ask: what, with: value }));
  return JSON.parse((await lines.next()).value);
}

/** A person opens the URL and does whatever the issuer asks for; returns the URL that the browser is sent to. */
export const visit = async (url) => new URL(await ask("visit", String(url)));

/** As `visit`, but the person sets up the second factor that the issuer offers. */
export const enrol = async (url) => new URL(await ask("enrol", String(url)));

/** A person decides about something that began elsewhere. */
export const decide = (about) => ask("decide", about);

export function tell(result) {
  console.log(JSON.stringify({ result }));
  process.exit(0);
}

/** What a token says, unverified: to show it to the test. Of an encrypted one, its header. */
export function read(token) {
  const parts = token.split(".");
  const part = (index) => JSON.parse(Buffer.from(parts[index], "base64url"));
  return { header: part(0), claims: parts.length === 3 ? part(1) : null };
}

const algorithms = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  EdDSA: { name: "Ed25519" },
};

/** A private JWK that names its algorithm, as both libraries take it. */
export async function privateKey(jwk) {
  const { alg, key_ops, use, ...members } = jwk;
  return { key: await crypto.subtle.importKey("jwk", members, algorithms[alg], false, ["sign"]), kid: jwk.kid };
}

/** fetch through a proxy that speaks TLS at a name of its own and hands the certificate over, as nginx does. */
export function fetchWithCertificate(url, options) {
  if (!String(url).startsWith(given.mtls)) return fetch(url, options);
  const headers = new Headers(options.headers);
  headers.set("x-client-certificate", given.certificate);
  headers.set("x-client-verify", "SUCCESS");
  return fetch(String(url).replace(given.mtls, given.issuer), { ...options, headers });
}
