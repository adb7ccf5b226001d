/** 22 characters of base64url: 128 random bits, a name that nobody else has. */
export function randomToken(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url")
}
