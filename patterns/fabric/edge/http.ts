import { HeddleError } from "../../../core/errors.ts"
import { checkSubject } from "../../../core/subject.ts"
import { originAllowed, type WebRequest, type WebResponse } from "../../../core/web.ts"
import type { FabricMessage } from "../message.ts"
import { RemoteError } from "../requests/failures.ts"
import { checkUserPattern } from "../reserved.ts"
import { payloadOf, tellable } from "./content.ts"
import type { Edge } from "./edge.ts"
import { bodyOf, jsonOf } from "./http-body.ts"
import { forbidden, mayTake, mayUse } from "./permissions.ts"
import { problemOf, statusOf } from "./problem.ts"
import { RateLimit } from "./rate.ts"
import { EventStream, type StreamWish } from "./sse.ts"

/** Where subjects begin in the path. */
const SUBJECTS = "/subjects/"

/** Addresses whose rate is remembered; the one that has been silent longest is forgotten for another. */
const MOST_ADDRESSES = 10_000

/** Milliseconds: a proxy between must not take a silent stream for a dead one. */
const HEARTBEAT = 15_000

/** Who asks, and what it may do. */
interface Visitor {
  readonly id: 0
  readonly address: string
  readonly user: string
  readonly name: string
  readonly permissions: Edge["settings"]["lists"]
  /** When its token expires, by performance.now(); 0 = never. */
  readonly expires: number
}

/** Plain HTTP: streams and posts for those without WebSocket, and the files that the host gives. */
export class EdgeHttp {
  requests = 0
  private readonly edge: Edge
  private readonly open = new Set<EventStream>()
  private readonly rates = new Map<string, RateLimit>()
  private heartbeat = performance.now()

  constructor(edge: Edge) {
    this.edge = edge
  }

  get streams(): number {
    return this.open.size
  }

  handle(request: WebRequest, response: WebResponse): void {
    this.requests++
    const { settings } = this.edge
    const { method, path } = request
    if (settings.http && path.startsWith(SUBJECTS)) {
      this.subject(request, response).catch(error => this.fail(request, response, null, error))
      return
    }
    const file = settings.files.get(path)
    if (file === undefined) this.fail(request, response, null, new HeddleError("ENOENT", `There is nothing at ${path}`))
    else if (method !== "GET" && method !== "HEAD") this.notAllowed(request, response, "GET, HEAD")
    else {
      const body = Buffer.from(file.body as string)
      const headers = { "content-type": file.type, "x-content-type-options": "nosniff", ...file.headers }
      response.reply(200, headers, method === "HEAD" ? "" : body)
    }
  }

  /** Time limits of streams. */
  sweep(now: number): void {
    const beat = now - this.heartbeat >= HEARTBEAT
    if (beat) this.heartbeat = now
    for (const stream of this.open) stream.sweep(now, beat)
  }

  close(): void {
    for (const stream of [...this.open]) stream.end()
  }

  private async subject(request: WebRequest, response: WebResponse): Promise<void> {
    const { method } = request
    const origin = request.headers.get("origin")
    if (!originAllowed(this.edge.settings.origins, origin, request.headers.get("host"))) {
      this.edge.events.turnedAway(request.address, 403, WRONG_ORIGIN)
      response.reply(403, PROBLEM_TYPE, problemOf(403, "EACCES", WRONG_ORIGIN))
      return
    }
    if (method === "OPTIONS") {
      response.reply(204, { ...corsOf(request), ...PREFLIGHT }, "")
      return
    }
    if (method !== "GET" && method !== "POST") {
      this.notAllowed(request, response, "GET, POST, OPTIONS")
      return
    }
    // Before the token is judged, which may be dear.
    this.limit(request)
    const parameters = new URLSearchParams(request.query)
    const grant = await this.edge.judge(tokenOf(request, parameters), request)
    if (response.over) return
    const visitor: Visitor = {
      id: 0,
      address: request.address,
      user: grant.user ?? "",
      name: request.headers.get("user-agent")?.slice(0, 128) ?? "",
      permissions: this.edge.permissionsOf(grant),
      expires: grant.expires === undefined ? 0 : performance.now() + grant.expires - Date.now(),
    }
    try {
      this.edge.mustBeOpen()
      const subject = decode(request.path.slice(SUBJECTS.length))
      if (method === "GET") this.stream(request, response, visitor, subject, parameters)
      else if (parameters.has("request")) await this.ask(request, response, visitor, subject, parameters)
      else this.publish(request, response, visitor, subject)
    } catch (error) {
      this.fail(request, response, visitor, error)
    }
  }

  private publish(request: WebRequest, response: WebResponse, { permissions }: Visitor, subject: string): void {
    checkSubject(subject)
    if (!mayUse(permissions, "publish", subject)) throw forbidden("publish", subject)
    const { node } = this.edge
    const { peers, dropped, taken } = node.publishing.publish(subject, this.payload(request, subject), undefined)
    if (!taken)
      throw new HeddleError("EBUSY", `A subscriber of ${subject} with the policy "block" is full; try again later`)
    response.reply(202, { ...corsOf(request), ...JSON_TYPE }, `${JSON.stringify({ peers, dropped })}\n`)
  }

  private async ask(
    request: WebRequest,
    response: WebResponse,
    { permissions }: Visitor,
    subject: string,
    parameters: URLSearchParams,
  ): Promise<void> {
    checkSubject(subject)
    if (!mayUse(permissions, "request", subject)) throw forbidden("request", subject)
    const timeout = numberOf(parameters, "timeout", 1)
    const gone = new AbortController()
    response.aborted = () => gone.abort()
    const options = { signal: gone.signal, ...(timeout !== undefined && { timeout }) }
    const reply = await this.edge.request(subject, this.payload(request, subject), options)
    if (response.over) return
    const { type, body } = answerOf(reply)
    response.reply(type === "" ? 204 : 200, { ...corsOf(request), ...(type !== "" && { "content-type": type }) }, body)
  }

  private stream(
    request: WebRequest,
    response: WebResponse,
    visitor: Visitor,
    pattern: string,
    parameters: URLSearchParams,
  ): void {
    checkUserPattern(pattern)
    if (!mayTake(visitor.permissions, "subscribe", pattern)) throw forbidden("subscribe", pattern)
    const { edge } = this
    const { maxStreams, maxHistory } = edge.settings
    if (this.open.size >= maxStreams)
      throw new HeddleError("EBUSY", `The edge has ${maxStreams} streams already (edge.maxStreams); try again later`)
    const history = parameters.get("history") === "last" ? 1 : (numberOf(parameters, "history", 0) ?? 0)
    if (history > maxHistory)
      throw new HeddleError("EINVAL", `history is ${history}; this edge gives ${maxHistory} at most (edge.maxHistory)`)
    const wish: StreamWish = {
      pattern,
      history,
      max: numberOf(parameters, "max", 1) ?? 0,
      lastId: request.headers.get("last-event-id") ?? parameters.get("last-event-id") ?? "",
      envelope: parameters.get("as") === "envelope",
    }
    const stream = new EventStream(edge, response, wish, visitor, corsOf(request), () => this.open.delete(stream))
    this.open.add(stream)
    stream.begin()
  }

  /** Throws EINVAL, ERR_VALIDATION. */
  private payload(request: WebRequest, subject: string): unknown {
    const { codec, bytes } = bodyOf(request)
    const content = { subject, codec, codecName: "", headers: null, kept: false, payload: bytes }
    return payloadOf(this.edge.node, content, subject)
  }

  /** Throws EAGAIN. */
  private limit({ address, body }: WebRequest): void {
    const { rateMessages, rateBytes } = this.edge.settings
    const now = performance.now()
    const rate = this.rates.get(address) ?? new RateLimit(rateMessages, rateBytes, now)
    this.rates.delete(address)
    this.rates.set(address, rate)
    if (this.rates.size > MOST_ADDRESSES) this.rates.delete(this.rates.keys().next().value as string)
    rate.arrived(body.length, now)
    if (!rate.take())
      throw new HeddleError(
        "EAGAIN",
        `More than ${rateMessages} requests or ${rateBytes} bytes a second from ${address} (edge.rate); send fewer, or later`,
      )
  }

  private notAllowed(request: WebRequest, response: WebResponse, allow: string): void {
    const problem = problemOf(405, "EINVAL", `${request.method} is not possible here; there is ${allow}`)
    response.reply(405, { ...corsOf(request), ...PROBLEM_TYPE, allow }, problem)
  }

  private fail(request: WebRequest, response: WebResponse, visitor: Visitor | null, thrown: unknown): void {
    const error = tellable(thrown)
    if (error === thrown) {
      const { address } = request
      // What is the network's fault, or the server's, is no refusal.
      this.edge.refusedIf(visitor ?? { id: 0, address, user: "", name: "" }, error)
    } else this.edge.node.emit({ type: "error", subject: request.path, error: thrown })
    if (response.over) return
    const status = visitor === null && error.code === "EACCES" ? 401 : statusOf(error)
    const more = error instanceof RemoteError ? { remoteCode: error.remoteCode, details: error.details } : {}
    const headers: Record<string, string> = { ...corsOf(request), ...PROBLEM_TYPE }
    if (status === 401) headers["www-authenticate"] = "Bearer"
    if (status === 429) headers["retry-after"] = "1"
    response.reply(status, headers, problemOf(status, error.code, error.message, more))
  }
}

const WRONG_ORIGIN = "Pages of this origin may not use the edge; its option edge.origins has to name it"

const JSON_TYPE = { "content-type": "application/json" }
const PROBLEM_TYPE = { "content-type": "application/problem+json" }
const PREFLIGHT = {
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers": "authorization, content-type, last-event-id",
  "access-control-max-age": "600",
}

/** For a page of another origin; that it may come was checked before. */
function corsOf(request: WebRequest): Record<string, string> {
  const origin = request.headers.get("origin")
  return origin === undefined ? {} : { "access-control-allow-origin": origin, vary: "origin" }
}

/** RFC 6750; the parameter is for EventSource, which has no headers of one's own. */
function tokenOf(request: WebRequest, parameters: URLSearchParams): string {
  const bearer = /^bearer +(.+)$/i.exec(request.headers.get("authorization") ?? "")
  return bearer?.[1] ?? parameters.get("access_token") ?? ""
}

/** Throws EINVAL. */
function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw new HeddleError("EINVAL", `Invalid path: ${JSON.stringify(path.slice(0, 200))} is not well-formed`)
  }
}

/** Throws EINVAL. */
function numberOf(parameters: URLSearchParams, name: string, least: number): number | undefined {
  const text = parameters.get(name)
  if (text === null) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value >= 2 ** 31)
    throw new HeddleError(
      "EINVAL",
      `The parameter ${name} is ${JSON.stringify(text.slice(0, 80))}; it takes a whole number from ${least}`,
    )
  return value
}

/** Throws ERR_CODEC. */
function answerOf(reply: FabricMessage): { readonly type: string; readonly body: Buffer | string } {
  switch (reply.encoding) {
    case "none":
      return { type: "", body: "" }
    case "bytes":
      return { type: "application/octet-stream", body: reply.bytes }
    case "string":
      return { type: "text/plain; charset=utf-8", body: reply.bytes }
    default:
      return { type: "application/json", body: `${jsonOf(reply.data)}\n` }
  }
}
