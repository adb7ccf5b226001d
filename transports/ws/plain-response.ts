import type { ServerResponse } from "node:http"
import type { SendResult, WebResponse } from "../../core/web.ts"

/** An answer through node:http. */
export class PlainWebResponse implements WebResponse {
  over = false
  aborted: (() => void) | null = null
  drained: (() => void) | null = null
  private readonly response: ServerResponse
  private readonly limit: number
  private readonly finished: (one: PlainWebResponse) => void

  constructor(response: ServerResponse, limit: number, finished: (one: PlainWebResponse) => void) {
    this.response = response
    this.limit = limit
    this.finished = finished
    response.on("drain", () => {
      if (!this.over) this.drained?.()
    })
    response.on("error", () => this.lost())
    response.on("close", () => this.lost())
  }

  head(status: number, headers: Readonly<Record<string, string>> = {}): void {
    if (this.over) return
    this.response.writeHead(status, headers)
  }

  write(chunk: Uint8Array | string): SendResult {
    if (this.over || this.response.writableLength > this.limit) return "dropped"
    if (chunk.length === 0) return this.response.writableNeedDrain ? "queued" : "sent"
    // Node keeps the bytes until they are written: the caller may reuse its own.
    return this.response.write(typeof chunk === "string" ? chunk : Buffer.from(chunk)) ? "sent" : "queued"
  }

  end(chunk?: Uint8Array | string): void {
    if (this.over) return
    this.response.end(typeof chunk === "object" ? Buffer.from(chunk) : chunk)
    this.finish()
  }

  reply(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array | string): void {
    if (this.over) return
    this.response.writeHead(status, { "content-length": `${Buffer.byteLength(body)}`, ...headers })
    this.end(body)
  }

  destroy(): void {
    if (this.over) return
    this.finish()
    this.response.destroy()
  }

  private lost(): void {
    if (this.over) return
    this.finish()
    this.aborted?.()
  }

  private finish(): void {
    this.over = true
    this.finished(this)
  }
}
