import type { ByteStream } from "./byte-stream.ts"
import type { NetStream } from "./net-stream.ts"

/**
 * Another way for the bytes of a connection, agreed upon behind the handshake or later (zmtp/late-upgrade.ts). Both sides say by a
 * property of their metadata that they know it; who dialled offers it by a command, the other answers by the same.
 */
export interface Upgrade {
  readonly property: string
  /** What the property holds: only equal values understand each other. */
  readonly version: Buffer
  readonly command: string
  /** Not at once behind the handshake, but when there is traffic: where both sides have this property, too. Null = at once. */
  readonly late: string | null
  /** From who dialled; empty = not this time, and no answer follows. */
  offer(): Buffer
  /** The answer to an offer, empty = not this time; and what the bytes go through from here on. */
  accept(stream: NetStream, offer: Buffer, late?: boolean): { readonly answer: Buffer; readonly stream: ByteStream }
  /** The peer's answer has come; what the bytes go through from here on. */
  settle(stream: NetStream, answer: Buffer, late?: boolean): ByteStream
  /** The handshake failed in between. */
  cancel(): void
}
