import { generateKeyPairSync } from "node:crypto"

/** RFC 32. */
const Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

/** Four bytes to five printable characters. The length must be a multiple of four. */
export function z85Encode(bytes: Uint8Array): string {
  if (bytes.length % 4 !== 0) throw new RangeError(`Z85 encodes multiples of 4 bytes, not ${bytes.length}`)
  let text = ""
  for (let at = 0; at < bytes.length; at += 4) {
    let word = ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
    let group = ""
    for (let i = 0; i < 5; i++) {
      group = Z85[word % 85] + group
      word = Math.floor(word / 85)
    }
    text += group
  }
  return text
}

export interface CurveKeyPair {
  publicKey: string
  secretKey: string
}

/** A new key pair for the CURVE mechanism, each key as 40 characters of Z85 (RFC 26). */
export function curveKeyPair(): CurveKeyPair {
  const { privateKey } = generateKeyPairSync("x25519")
  const { x, d } = privateKey.export({ format: "jwk" })
  return {
    publicKey: z85Encode(Buffer.from(x as string, "base64url")),
    secretKey: z85Encode(Buffer.from(d as string, "base64url")),
  }
}
