/**
 * As much of the WebSocket of browsers (WHATWG WebSockets Standard) as is used here. The library "DOM" of TypeScript would bring the types of a
 * whole page into a package that is mostly for Node.
 */
export interface WebSocketLike {
  binaryType: string
  readonly protocol: string
  /** Bytes that `send` took and that are not written yet. */
  readonly bufferedAmount: number
  // `never`: whatever an implementation calls its events, its class can be given.
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  send(bytes: Uint8Array<ArrayBuffer>): void
  close(code?: number, reason?: string): void
}

/** The class: that of the page, of Node >= 22, of Bun and Deno, or of the npm package `ws`. */
export type WebSocketConstructor = new (url: string, protocols: string) => WebSocketLike

/** The one of this environment; undefined = it has none (Node 20). */
export function globalWebSocket(): WebSocketConstructor | undefined {
  return (globalThis as { WebSocket?: unknown }).WebSocket as WebSocketConstructor | undefined
}
