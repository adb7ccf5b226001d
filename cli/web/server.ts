import { randomBytes } from "node:crypto"
import http, { type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { CommandError } from "../exit.ts"
import { EventStream } from "./event-stream.ts"
import { type PageFile, pageFiles } from "./files.ts"
import { HEADERS, isOurHost, isOurOrigin, isToken, tokenOf } from "./guard.ts"

/** Pages that may be open at once: each is told everything once an interval. */
const MOST_PAGES = 16

/** Connections: browsers open up to six for a page. */
const MOST_CONNECTIONS = 128

/** Bytes of a POST: a subject pattern and what is around it. */
const MOST_BODY = 4_096

/** Bytes of randomness in the token: as many as a key. */
const TOKEN = 18

/** One open page. */
export interface Page {
  readonly id: string
  readonly stream: EventStream
}

/** What the server leaves to others. */
export interface PageHost {
  opened(page: Page): void
  /** The messages of this subject pattern are wanted, null = none. Throws with a text for the page when it cannot be. */
  chosen(page: Page, pattern: string | null): void
  closed(page: Page): void
}

export interface PageServerOptions {
  /** An address or name of this machine. */
  host: string
  /** 0 = any that is free. */
  port: number
}

/** Serves the page of `heddle top --web`, and streams to it. Only who knows the token gets more than the files of the page. */
export class PageServer {
  readonly pages = new Map<string, Page>()
  private readonly token = randomBytes(TOKEN).toString("base64url")
  private readonly files: ReadonlyMap<string, PageFile>
  private readonly server: http.Server
  private readonly options: PageServerOptions
  private readonly host: PageHost

  private constructor(options: PageServerOptions, host: PageHost) {
    this.options = options
    this.host = host
    this.files = pageFiles()
    this.server = http.createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
      this.answer(request, response).catch(error => refuse(response, 500, `${(error as Error).message}`))
    })
    this.server.maxConnections = MOST_CONNECTIONS
  }

  /** Throws a `CommandError` when it cannot listen there. */
  static async open(options: PageServerOptions, host: PageHost): Promise<PageServer> {
    const opened = new PageServer(options, host)
    const { server } = opened
    await new Promise<void>((resolve, reject) => {
      server.once("error", error => reject(new CommandError(whyNot(error, options))))
      server.listen(options.port, options.host, resolve)
    })
    // What goes wrong with a single connection is that one's affair.
    server.on("error", () => {})
    return opened
  }

  /** What to open in a browser, with the token. */
  get url(): string {
    const { port } = this.server.address() as AddressInfo
    // Where it listens on all addresses, the one of this machine is as good as any.
    const host = this.options.host === "0.0.0.0" || this.options.host === "::" ? "localhost" : this.options.host
    return `http://${host.includes(":") ? `[${host}]` : host}:${port}/?token=${this.token}`
  }

  async close(): Promise<void> {
    for (const { stream } of this.pages.values()) stream.end()
    const closed = new Promise<void>(resolve => this.server.close(() => resolve()))
    this.server.closeAllConnections()
    await closed
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    if (!isOurHost(request.headers.host, this.options.host))
      return refuse(response, 403, "Wrong Host header: open the address that heddle top has printed.")
    if (!isOurOrigin(request)) return refuse(response, 403, "Requests of other pages are refused.")
    // The base does not matter: the path and the query are wanted.
    const url = URL.canParse(request.url ?? "", "http://localhost")
      ? new URL(request.url as string, "http://localhost")
      : null
    if (url === null) return refuse(response, 400, "No such address.")
    const { pathname } = url
    const allowed = pathname === "/subject" ? ["POST"] : ["GET", "HEAD"]
    if (!allowed.includes(request.method as string)) {
      response.setHeader("allow", allowed.join(", "))
      return refuse(response, 405, `Only ${allowed.join(" and ")} here.`)
    }
    // The files of the page are in every copy of the package: they tell nothing.
    const file = pathname === "/index.html" ? undefined : this.files.get(pathname)
    if (file !== undefined) return sendFile(response, file)
    if (!["/", "/events", "/subject"].includes(pathname)) return refuse(response, 404, "There is no such page.")
    if (!isToken(tokenOf(request, url), this.token))
      return refuse(
        response,
        403,
        "The token is missing or not the right one: open the address that heddle top has printed.",
      )
    if (pathname === "/") return sendFile(response, this.files.get("/index.html") as PageFile)
    if (pathname === "/events") return this.open(request, response)
    return this.choose(request, response)
  }

  private open(request: IncomingMessage, response: ServerResponse): void {
    if (this.pages.size >= MOST_PAGES) refuse(response, 503, `${MOST_PAGES} pages are open already: close one.`)
    else if (request.method === "HEAD") response.end()
    else {
      const page: Page = { id: randomBytes(9).toString("base64url"), stream: new EventStream(response) }
      this.pages.set(page.id, page)
      response.on("close", () => {
        this.pages.delete(page.id)
        this.host.closed(page)
      })
      this.host.opened(page)
    }
  }

  private async choose(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!/^application\/json\b/i.test(request.headers["content-type"] ?? ""))
      return refuse(response, 415, "JSON is wanted (content-type: application/json).")
    const body = await bodyOf(request)
    if (body === null) return refuse(response, 413, `More than ${MOST_BODY} bytes.`)
    const wish = wishOf(body)
    if (wish === null) return refuse(response, 400, 'Wanted: {"page": "...", "pattern": "orders.>" or null}.')
    const page = this.pages.get(wish.page)
    if (page === undefined) return refuse(response, 404, "That page is not open any more.")
    try {
      this.host.chosen(page, wish.pattern)
    } catch (error) {
      return refuse(response, 400, (error as Error).message)
    }
    response.statusCode = 204
    response.end()
  }
}

function whyNot({ code, message }: NodeJS.ErrnoException, { host, port }: PageServerOptions): string {
  if (code === "EADDRINUSE") return `port ${port} of ${host} is taken: --web without a port takes one that is free`
  if (code === "EACCES") return `this user may not listen on port ${port}: take one above 1023, or --web without a port`
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") return `${host} is no address of this machine`
  return `cannot listen on ${host}, port ${port}: ${message}`
}

function refuse(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" })
  response.end(`${text}\n`)
}

function sendFile(response: ServerResponse, { type, bytes }: PageFile): void {
  response.writeHead(200, { "content-type": type, "content-length": bytes.length })
  // Node leaves the body out for HEAD.
  response.end(bytes)
}

/** Null: it is too large. */
async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MOST_BODY) return null
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function wishOf(body: string): { page: string; pattern: string | null } | null {
  try {
    const { page, pattern } = JSON.parse(body) as { page?: unknown; pattern?: unknown }
    if (typeof page !== "string" || (typeof pattern !== "string" && pattern !== null)) return null
    return { page, pattern }
  } catch {
    return null
  }
}
