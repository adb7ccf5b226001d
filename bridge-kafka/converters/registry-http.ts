import { Buffer } from "node:buffer"
import fs from "node:fs"
import http from "node:http"
import https from "node:https"
import { fatal, poison, retriable, wordsOf, wrongSetting } from "./failures.ts"

export interface RegistryHttpOptions {
  readonly urls: readonly string[]
  /** user:password. */
  readonly basic?: string | null
  readonly bearer?: string | null
  /** Take user and password out of the addresses. */
  readonly basicInUrls?: boolean
  /** File of certificates (PEM). */
  readonly authorities?: string | null
  /** Milliseconds for one answer of one address. */
  readonly timeout: number
  /** Bytes of one answer. */
  readonly maxBytes: number
}

/** Connections to one address; schemas are asked for rarely. */
const MAX_SOCKETS = 4

const CONTENT = "application/vnd.schemaregistry.v1+json"

interface Address {
  readonly url: URL
  readonly authorization: string | null
  /** For errors: without user and password. */
  readonly shown: string
}

type Answer =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly status: number; readonly code: number; readonly text: string }

/** An address that gave no answer of a registry: the next may. */
class NoAnswer extends Error {}

/** Questions to a schema registry over HTTP: addresses in turn, bounded in time and size, redirects never followed. */
export class RegistryHttp {
  private readonly addresses: readonly Address[]
  private readonly options: RegistryHttpOptions
  private readonly agents: { readonly "http:": http.Agent; readonly "https:": https.Agent }
  /** The one that answered last is asked first. */
  private good = 0

  /** Throws ERR_CONFIG. */
  constructor(options: RegistryHttpOptions) {
    this.options = options
    this.addresses = options.urls.map(url => addressOf(url, options))
    if (this.addresses.length === 0) throw wrongSetting("schema.registry.url has no address")
    const ca = options.authorities == null ? undefined : certificates(options.authorities)
    this.agents = {
      // Not kept alive: asked so rarely, a kept connection would mostly be one that the registry has just closed.
      "http:": new http.Agent({ maxSockets: MAX_SOCKETS }),
      "https:": new https.Agent({ maxSockets: MAX_SOCKETS, ca }),
    }
  }

  get(path: string): Promise<unknown> {
    return this.ask("GET", path, null)
  }

  post(path: string, body: unknown): Promise<unknown> {
    return this.ask("POST", path, Buffer.from(JSON.stringify(body)))
  }

  close(): void {
    this.agents["http:"].destroy()
    this.agents["https:"].destroy()
  }

  private async ask(method: string, path: string, body: Buffer | null): Promise<unknown> {
    const missed: string[] = []
    let last: unknown
    for (let i = 0; i < this.addresses.length; i++) {
      const index = (this.good + i) % this.addresses.length
      const address = this.addresses[index]
      try {
        const answer = await this.askOne(address, method, path, body)
        this.good = index
        if (answer.kind === "value") return answer.value
        throw refusal(address, path, answer)
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
        missed.push(`${address.shown}: ${error.message}`)
        last = error
      }
    }
    throw retriable(`The schema registry does not answer ${method} ${path} (${missed.join("; ")})`, last)
  }

  private askOne(address: Address, method: string, path: string, body: Buffer | null): Promise<Answer> {
    const { url, authorization, shown } = address
    const { timeout, maxBytes } = this.options
    return new Promise((resolve, reject) => {
      const headers: http.OutgoingHttpHeaders = { accept: `${CONTENT}, application/json` }
      if (authorization !== null) headers.authorization = authorization
      if (body !== null) {
        headers["content-type"] = CONTENT
        headers["content-length"] = body.length
      }
      const secure = url.protocol === "https:"
      const request = (secure ? https : http).request(
        url.href.replace(/\/$/, "") + path,
        { method, headers, agent: secure ? this.agents["https:"] : this.agents["http:"] },
        response => {
          const chunks: Buffer[] = []
          let size = 0
          response.on("data", (chunk: Buffer) => {
            size += chunk.length
            if (size > maxBytes) {
              fail(poison(`The answer of ${shown}${path} is longer than ${maxBytes} bytes (response.max.bytes)`))
              return
            }
            chunks.push(chunk)
          })
          response.on("end", () => {
            clearTimeout(timer)
            const status = response.statusCode ?? 0
            if (status >= 300 && status < 400) {
              // With credentials a redirect could carry them to another host; without, it still is a wrong address.
              const where = String(response.headers.location ?? "").slice(0, 200)
              reject(fatal(`${shown}${path} redirects to ${where}: set schema.registry.url to the registry itself`))
              return
            }
            try {
              resolve(readAnswer(status, Buffer.concat(chunks)))
            } catch (error) {
              reject(error)
            }
          })
          response.on("error", error => fail(new NoAnswer(wordsOf(error), { cause: error })))
          response.on("aborted", () => fail(new NoAnswer("the answer broke off")))
        },
      )
      const fail = (error: Error): void => {
        clearTimeout(timer)
        reject(error)
        request.destroy()
      }
      const timer = setTimeout(() => fail(new NoAnswer(`no answer within ${timeout} ms`)), timeout)
      timer.unref()
      request.on("error", error => fail(new NoAnswer(wordsOf(error), { cause: error })))
      request.end(body ?? undefined)
    })
  }
}

function readAnswer(status: number, bytes: Buffer): Answer {
  if (status === 408 || status === 429 || status >= 500) throw new NoAnswer(`status ${status}`)
  let value: unknown
  try {
    value = JSON.parse(bytes.toString())
  } catch (error) {
    // A refusal at the door (a proxy's, often HTML) is one all the same.
    if (status !== 401 && status !== 403) throw new NoAnswer(`status ${status} without JSON`, { cause: error })
  }
  if (status === 200) return { kind: "value", value }
  const said = value as { error_code?: unknown; message?: unknown } | null | undefined
  const code = typeof said?.error_code === "number" ? said.error_code : 0
  const text = typeof said?.message === "string" ? said.message.slice(0, 500) : ""
  // Any web server says 404; only a registry says which thing was not found.
  if (status === 404 && (code < 40_401 || code > 40_499)) throw new NoAnswer("404, which is not a registry's")
  return { kind: "error", status, code, text }
}

function refusal(address: Address, path: string, answer: Answer & { kind: "error" }): Error {
  const { status, code, text } = answer
  const what = `${address.shown}${path}: ${status}${code === 0 ? "" : ` (${code})`} ${text}`
  if (status === 401 || status === 403) return fatal(`The schema registry refuses us: ${what}`)
  // Not found, incompatible, invalid: this schema or subject is at fault, others may pass.
  if (status === 404 || status === 409 || status === 422) return poison(`The schema registry says no: ${what}`)
  return fatal(`The schema registry does not understand us: ${what}`)
}

function addressOf(text: string, options: RegistryHttpOptions): Address {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    // The text is not repeated: it may have a password in it.
    throw wrongSetting("schema.registry.url: an entry is not a URL")
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw wrongSetting(`schema.registry.url: ${url.protocol} is neither http nor https`)
  const inUrl = url.username === "" ? null : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  url.username = ""
  url.password = ""
  url.search = ""
  url.hash = ""
  const shown = url.href.replace(/\/$/, "")
  if (inUrl !== null && options.basicInUrls !== true)
    throw wrongSetting(`${shown} has user and password in it: say basic.auth.credentials.source=URL, or take them out`)
  const basic = inUrl ?? options.basic ?? null
  if (basic !== null && options.bearer != null)
    throw wrongSetting("The schema registry has both basic and bearer authentication; choose one")
  if (basic !== null) return { url, shown, authorization: `Basic ${Buffer.from(basic).toString("base64")}` }
  return { url, shown, authorization: options.bearer == null ? null : `Bearer ${options.bearer}` }
}

function certificates(file: string): Buffer {
  try {
    return fs.readFileSync(file)
  } catch (error) {
    throw wrongSetting(`schema.registry.ssl.truststore.location: ${file} cannot be read: ${wordsOf(error)}`)
  }
}
