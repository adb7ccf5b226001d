/** Who reads a WebSocket. */
export interface LinkReader {
  /** Valid during the call only, unless the link is `stable`. */
  message(bytes: Buffer, text: boolean): void
  /** The link was `full`; now everything is with the operating system. */
  drained(): void
  pong(bytes: Buffer): void
  /** Exactly once. 1006 = without a close frame; `error` says why, where it is known. */
  ended(code: number, reason: string, error?: Error): void
}

export const NO_READER: LinkReader = { message: () => {}, drained: () => {}, pong: () => {}, ended: () => {} }

/** One open WebSocket, whichever library and side it is of. Calls after its end are harmless. */
export interface WebLink {
  reader: LinkReader
  /** The sub-protocol that was agreed upon. */
  readonly protocol: string
  /** Messages may be kept as they come. */
  readonly stable: boolean
  /** `pause` stops the peer by TCP's own means. */
  readonly pausable: boolean
  /** `ping` reaches the peer, which must answer (RFC 6455, 5.5.3). */
  readonly pings: boolean
  /** No more should be sent until `drained`. */
  readonly full: boolean
  /** One binary message; the bytes may be reused after the call. */
  send(message: Uint8Array): void
  /** What is sent within `run` goes out together. */
  cork(run: () => void): void
  ping(bytes: Uint8Array): void
  pause(): void
  resume(): void
  /** Sends what was taken and a close frame; `ended` follows, maybe from within this call. */
  close(code: number, reason: string): void
  /** Ends it now; `ended` is not called any more. */
  destroy(): void
}

/** Bytes that one flush may hand to a stream before it looks whether they leave. */
export const FLUSH_LIMIT = 64 * 1024
