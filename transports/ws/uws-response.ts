import { STATUS_CODES } from "node:http"
import type { SendResult, WebResponse } from "../../core/web.ts"
import { refusalHeaders } from "./refusal.ts"
import type { UwsResponse } from "./uws.ts"

/** An answer through uWebSockets.js. */
export class UwsWebResponse implements WebResponse {
  over = false
  aborted: (() => void) | null = null
  drained: (() => void) | null = null
  private readonly response: UwsResponse
  /** The answer to HEAD: uWebSockets.js would send a body that nobody expects. */
  private readonly bodiless: boolean
  private readonly limit: number
  private readonly finished: (one: UwsWebResponse) => void
  /** Bytes written since the connection began to stall: at least as many as wait. */
  private stalled = 0
  private waiting = false

  constructor(response: UwsResponse, bodiless: boolean, limit: number, finished: (one: UwsWebResponse) => void) {
    this.response = response
    this.bodiless = bodiless
    this.limit = limit
    this.finished = finished
    response.onWritable(() => {
      this.waiting = false
      this.stalled = 0
      this.drained?.()
      return true
    })
  }

  head(status: number, headers: Readonly<Record<string, string>> = {}): void {
    if (this.over) return
    this.response.cork(() => writeHead(this.response, status, headers))
  }

  write(chunk: Uint8Array | string): SendResult {
    if (this.over || this.stalled > this.limit) return "dropped"
    // An empty chunk would end the response.
    if (chunk.length === 0 || this.bodiless) return this.waiting ? "queued" : "sent"
    let taken = true
    this.response.cork(() => {
      taken = this.response.write(chunk)
    })
    if (taken) return "sent"
    this.waiting = true
    this.stalled += chunk.length
    return "queued"
  }

  end(chunk?: Uint8Array | string): void {
    if (this.over) return
    this.response.cork(() => this.finishBody(chunk))
    this.finish()
  }

  reply(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array | string): void {
    if (this.over) return
    this.response.cork(() => {
      writeHead(this.response, status, headers)
      // Told to say the length itself, the library takes the response for unfinished.
      if (this.bodiless) this.response.writeHeader("content-length", `${Buffer.byteLength(body)}`)
      this.finishBody(body)
    })
    this.finish()
  }

  /** Ends the connection, too. */
  refuse(status: number, reason: string): void {
    if (this.over) return
    this.response.cork(() => writeRefusal(this.response, status, reason))
    this.finish()
  }

  destroy(): void {
    if (this.over) return
    this.finish()
    this.response.close()
  }

  /** The client went away. */
  lost(): void {
    if (this.over) return
    this.finish()
    this.aborted?.()
  }

  private finishBody(body: Uint8Array | string = ""): void {
    if (this.bodiless) this.response.endWithoutBody()
    else this.response.end(body)
  }

  private finish(): void {
    this.over = true
    this.finished(this)
  }
}

export function writeRefusal(response: UwsResponse, status: number, reason: string): void {
  writeHead(response, status, refusalHeaders(status))
  response.end(`${reason}\n`, true)
}

function writeHead(response: UwsResponse, status: number, headers: Readonly<Record<string, string>>): void {
  response.writeStatus(`${status} ${STATUS_CODES[status] ?? "Status"}`)
  for (const [name, value] of Object.entries(headers)) response.writeHeader(name, value)
}
