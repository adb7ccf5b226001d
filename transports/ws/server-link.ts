import type { WebClient } from "../../core/web.ts"
import { type LinkReader, NO_READER, type WebLink } from "./link.ts"

/** A client of our own web server. */
export class ServerLink implements WebLink {
  reader: LinkReader = NO_READER
  readonly protocol: string
  readonly stable: boolean
  readonly pausable: boolean
  readonly pings = true
  full = false
  private readonly client: WebClient<unknown>
  private over = false

  /** `stable`: the library gives messages memory of their own. */
  constructor(client: WebClient<unknown>, stable: boolean) {
    this.client = client
    this.protocol = client.protocol
    this.pausable = client.pausable
    this.stable = stable
  }

  send(message: Uint8Array): void {
    if (this.client.send(message) !== "sent") this.full = true
  }

  cork(run: () => void): void {
    this.client.cork(run)
  }

  ping(bytes: Uint8Array): void {
    this.client.ping(bytes)
  }

  pause(): void {
    this.client.pause()
  }

  resume(): void {
    this.client.resume()
  }

  close(code: number, reason: string): void {
    this.client.close(code, reason)
  }

  destroy(): void {
    this.over = true
    this.client.destroy()
  }

  // From the server

  drained(): void {
    this.full = false
    this.reader.drained()
  }

  ended(code: number, reason: string): void {
    if (this.over) return
    this.over = true
    this.reader.ended(code, reason)
  }
}
