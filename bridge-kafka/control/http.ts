import { createHash, timingSafeEqual } from "node:crypto"
import http, { type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { HeddleError } from "../../core/errors.ts"
import type { Bridge } from "../bridge.ts"
import { messageOf } from "../failure.ts"
import { CONTENT_TYPE } from "../metrics/prometheus.ts"
import { HttpError, route } from "./routes.ts"

/** Bytes of a request's body: offsets of a hundred thousand partitions. */
const LARGEST_BODY = 8 * 1024 * 1024
/** Milliseconds for a request to come in: nobody may hold a connection by sending slowly. */
const REQUEST_TIMEOUT = 10_000
const MOST_CONNECTIONS = 64

export interface HttpControlOptions {
  readonly host: string
  readonly port: number
  /** Null: no request is asked for one, and the address decides who may. */
  readonly token: string | null
}

/** Kafka Connect's REST paths, `/metrics` and `/health`, for this instance. */
export class HttpControl {
  private readonly server: http.Server
  private readonly bridge: Bridge
  private readonly token: Buffer | null

  private constructor(bridge: Bridge, token: string | null) {
    this.bridge = bridge
    this.token = token === null ? null : digest(token)
    this.server = http.createServer(
      { requestTimeout: REQUEST_TIMEOUT, headersTimeout: REQUEST_TIMEOUT },
      (request, response) => {
        void this.answer(request, response)
      },
    )
    this.server.maxConnections = MOST_CONNECTIONS
  }

  /** Rejects with EADDRINUSE, EACCES. */
  static async open(bridge: Bridge, { host, port, token }: HttpControlOptions): Promise<HttpControl> {
    const control = new HttpControl(bridge, token)
    const { server } = control
    await new Promise<void>((resolve, reject) => {
      server.once("error", error => reject(new HeddleError(codeOf(error), `control.http: ${error.message}`)))
      server.listen(port, host, () => resolve())
    })
    return control
  }

  /** `http://127.0.0.1:8083` */
  get address(): string {
    const { address, port, family } = this.server.address() as AddressInfo
    return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`
  }

  async close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.server.close(() => resolve()))
    this.server.closeAllConnections()
    await closed
  }

  private mayAsk(authorization: string | undefined): boolean {
    if (this.token === null) return true
    // The name of the scheme may be in any case (RFC 9110, 11.1).
    const [, given = ""] = /^bearer +(\S+)$/i.exec(authorization ?? "") ?? []
    return timingSafeEqual(digest(given), this.token)
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://bridge")
      if (request.headers.origin !== undefined)
        // A web page that a person of this machine looks at must not be able to pause a bridge.
        throw new HttpError(403, "Requests of web pages are refused")
      // Before the body: who may not ask is not listened to.
      if (!this.mayAsk(request.headers.authorization)) {
        response.setHeader("www-authenticate", "Bearer")
        response.setHeader("connection", "close")
        throw new HttpError(401, "Requests need the header Authorization: Bearer TOKEN (control.http.token)")
      }
      const body = await bodyOf(request)
      const { status, data, text } = await route(this.bridge, request.method ?? "GET", pathname, searchParams, body)
      if (text !== undefined) send(response, status, CONTENT_TYPE, text)
      else send(response, status, "application/json", data === undefined ? "" : JSON.stringify(data))
    } catch (error) {
      const status = error instanceof HttpError ? error.status : statusOf(error)
      const data = { error_code: status, message: messageOf(error) }
      send(response, status, "application/json", JSON.stringify(data))
    }
  }
}

/** In the same time whatever it is and however long: digests are compared. */
function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest()
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  if (response.destroyed || response.headersSent) return
  response.writeHead(status, text === "" ? {} : { "content-type": type, "content-length": Buffer.byteLength(text) })
  response.end(text)
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request) {
    size += (part as Buffer).length
    if (size > LARGEST_BODY) throw new HttpError(413, `A body has at most ${LARGEST_BODY} bytes`)
    parts.push(part as Buffer)
  }
  if (size === 0) return undefined
  try {
    return JSON.parse(Buffer.concat(parts).toString()) as unknown
  } catch {
    throw new HttpError(400, "The body is no JSON")
  }
}

function codeOf(error: NodeJS.ErrnoException): "EADDRINUSE" | "EACCES" | "EADDRNOTAVAIL" | "EINVAL" {
  const { code } = error
  return code === "EADDRINUSE" || code === "EACCES" || code === "EADDRNOTAVAIL" ? code : "EINVAL"
}

/** Errors of the bridge as HTTP tells them. */
function statusOf(error: unknown): number {
  const { code } = error as { code?: unknown }
  if (code === "ENOENT") return 404
  if (code === "EINVAL" || code === "ERR_CONFIG") return 400
  if (code === "ENOTSUP") return 400
  // Connect's answer while something else has to happen first.
  if (code === "ERR_KAFKA" || code === "EBUSY") return 409
  return 500
}
