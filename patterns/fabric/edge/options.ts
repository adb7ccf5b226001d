import { HeddleError } from "../../../core/errors.ts"
import type { Origins, TlsOptions, WebRequest, WebServerKind } from "../../../core/web.ts"
import { checkNames, whole } from "../options.ts"
import { checkUserPattern } from "../reserved.ts"

/** Subject patterns that a client may use, by what it does with them. A pattern is allowed when one of the list covers it. Default each: nothing. */
export interface EdgeLists {
  readonly publish?: readonly string[]
  readonly subscribe?: readonly string[]
  readonly request?: readonly string[]
  readonly serve?: readonly string[]
}

/** What a token stands for. */
export interface EdgeGrant extends EdgeLists {
  /** For events and statistics; a session can only be resumed by the same user. Default "". */
  readonly user?: string
  /** When the token expires, in milliseconds since 1970 (the `exp` of a JWT times 1,000). Default: never. */
  readonly expires?: number
}

/**
 * Judges a token ("" = the client has none). `request` is the one that the client came with: its headers hold cookies and the origin. Null = refused;
 * what it throws counts as a refusal, too. Lists that the grant has replace those of the edge for this client.
 */
export type TokenCheck = (token: string, request: WebRequest) => EdgeGrant | null | Promise<EdgeGrant | null>

/** A file that the edge serves at a path of its own. */
export interface EdgeFile {
  /** Media type: "text/html; charset=utf-8". */
  readonly type: string
  readonly body: string | Uint8Array
  /** Further headers, such as a Content-Security-Policy. */
  readonly headers?: Readonly<Record<string, string>>
}

/** The edge of a node: what WebSocket clients (`heddle/browser`) and plain HTTP may do with the fabric. Times in milliseconds, sizes in bytes. */
export interface EdgeOptions extends EdgeLists {
  /** `ws://host:port` or `wss://host:port`, one or several; a path in it is that of the WebSocket, default any. */
  readonly listen: string | readonly string[]
  /** Default: everybody is let in, with the lists above. */
  readonly token?: TokenCheck
  /** Pages that may come, by their origin: "same" (default), "*", or a list such as ["https://example.com"]. */
  readonly origins?: Origins
  /** For `wss://`. */
  readonly tls?: TlsOptions
  /** Which library serves: "uWebSockets.js" or "ws". Default: the first, where it loads. */
  readonly server?: WebServerKind
  /** False = no `/subjects/...`. Default true. */
  readonly http?: boolean
  /** Files by path: `{ "/": { type: "text/html", body: page } }`. Default none. */
  readonly files?: Readonly<Record<string, EdgeFile>>
  /**
   * What one client may send a second, with a burst of twice as much: default 1,000 messages and 4 MiB; 0 = no limit. What is
   * beyond is refused with EAGAIN; a client that goes on as if nothing had happened is closed.
   */
  readonly rate?: { readonly messages?: number; readonly bytes?: number }
  /**
   * What channels keep for clients that come back, or are slow: default 30,000 ms, 4 MiB for each channel, 128 MiB for all.
   */
  readonly resume?: { readonly time?: number; readonly bytes?: number; readonly total?: number }
  /** Messages of each subject that a client may ask for as `history`. Default 1,000; 0 = none. */
  readonly maxHistory?: number
  /** Largest message of a client. Default 1 MiB. */
  readonly maxMessageSize?: number
  /** What may wait for a client that reads slowly. Default 1 MiB. */
  readonly maxBuffer?: number
  /** Clients at a time; further ones get status 503. Default 20,000. */
  readonly maxClients?: number
  /** Streams (Server-Sent Events) at a time. Default 1,000. */
  readonly maxStreams?: number
  /** Different channels (pattern, history) at a time, those that wait for a client to come back included. Default 10,000. */
  readonly maxChannels?: number
  /** Of one client: subscriptions 256, services 64, requests under way 256, calls that it has in hand 256. */
  readonly maxSubscriptions?: number
  readonly maxServices?: number
  readonly maxRequests?: number
  readonly maxCalls?: number
  /** Until a client has said HELLO. Default 5,000. */
  readonly helloTimeout?: number
  /** Nothing heard of a client for so long, in spite of pings: it is closed. Default 120,000. */
  readonly idleTimeout?: number
}

/** Pattern lists as they are asked. */
export interface Permissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
  readonly request: readonly string[]
  readonly serve: readonly string[]
}

export interface EdgeSettings {
  readonly listen: readonly string[]
  readonly lists: Permissions
  readonly token: TokenCheck | null
  readonly origins: Origins
  readonly tls: TlsOptions | undefined
  readonly server: WebServerKind | undefined
  readonly http: boolean
  readonly files: ReadonlyMap<string, EdgeFile>
  readonly rateMessages: number
  readonly rateBytes: number
  readonly resumeTime: number
  readonly resumeBytes: number
  readonly resumeTotal: number
  readonly maxHistory: number
  readonly maxMessageSize: number
  readonly maxBuffer: number
  readonly maxClients: number
  readonly maxStreams: number
  readonly maxChannels: number
  readonly maxSubscriptions: number
  readonly maxServices: number
  readonly maxRequests: number
  readonly maxCalls: number
  readonly helloTimeout: number
  readonly idleTimeout: number
}

const KNOWN: ReadonlySet<string> = new Set([
  "listen",
  "publish",
  "subscribe",
  "request",
  "serve",
  "token",
  "origins",
  "tls",
  "server",
  "http",
  "files",
  "rate",
  "resume",
  "maxHistory",
  "maxMessageSize",
  "maxBuffer",
  "maxClients",
  "maxStreams",
  "maxChannels",
  "maxSubscriptions",
  "maxServices",
  "maxRequests",
  "maxCalls",
  "helloTimeout",
  "idleTimeout",
] satisfies (keyof EdgeOptions)[])

const GRANTED: ReadonlySet<string> = new Set([
  "user",
  "expires",
  "publish",
  "subscribe",
  "request",
  "serve",
] satisfies (keyof EdgeGrant)[])

const NONE: readonly string[] = []
const MIB = 1024 * 1024

/** Throws EINVAL for a name or value that cannot be. */
export function edgeSettingsOf(given: string | EdgeOptions): EdgeSettings {
  const options: EdgeOptions = typeof given === "string" ? { listen: given } : given
  if (typeof options !== "object" || options === null) throw invalid("edge takes an address or an object with listen")
  checkNames("edge", options, KNOWN)
  const { token, http = true, rate = {}, resume = {}, origins = "same" } = options
  checkNames("edge.rate", rate, new Set(["messages", "bytes"]))
  checkNames("edge.resume", resume, new Set(["time", "bytes", "total"]))
  if (token !== undefined && typeof token !== "function") throw invalid("edge.token takes a function")
  if (typeof http !== "boolean") throw invalid("edge.http takes true or false")
  const maxMessageSize = whole("edge.maxMessageSize", options.maxMessageSize, MIB, 1_024, 2 ** 28)
  return {
    listen: addresses(options.listen),
    lists: permissionsOf("edge", options),
    token: token ?? null,
    origins: originsOf(origins),
    tls: options.tls,
    server: options.server,
    http,
    files: filesOf(options.files ?? {}),
    rateMessages: whole("edge.rate.messages", rate.messages, 1_000, 0),
    rateBytes: whole("edge.rate.bytes", rate.bytes, 4 * MIB, 0),
    resumeTime: whole("edge.resume.time", resume.time, 30_000, 0),
    resumeBytes: whole("edge.resume.bytes", resume.bytes, 4 * MIB, 0),
    resumeTotal: whole("edge.resume.total", resume.total, 128 * MIB, 0),
    maxHistory: whole("edge.maxHistory", options.maxHistory, 1_000, 0),
    maxMessageSize,
    maxBuffer: whole("edge.maxBuffer", options.maxBuffer, MIB, 1_024, 2 ** 30),
    maxClients: whole("edge.maxClients", options.maxClients, 20_000, 1),
    maxStreams: whole("edge.maxStreams", options.maxStreams, 1_000, 0),
    maxChannels: whole("edge.maxChannels", options.maxChannels, 10_000, 1),
    maxSubscriptions: whole("edge.maxSubscriptions", options.maxSubscriptions, 256, 0),
    maxServices: whole("edge.maxServices", options.maxServices, 64, 0),
    maxRequests: whole("edge.maxRequests", options.maxRequests, 256, 0),
    maxCalls: whole("edge.maxCalls", options.maxCalls, 256, 1),
    helloTimeout: whole("edge.helloTimeout", options.helloTimeout, 5_000, 1),
    idleTimeout: whole("edge.idleTimeout", options.idleTimeout, 120_000, 0),
  }
}

/** Checks the lists of an edge or a grant; what `lists` has not is taken from `usual`. Throws EINVAL. */
export function permissionsOf(what: string, lists: EdgeLists, usual?: Permissions): Permissions {
  const of = (name: keyof Permissions): readonly string[] => {
    const list = lists[name]
    if (list === undefined) return usual?.[name] ?? NONE
    if (!Array.isArray(list)) throw invalid(`${what}.${name} takes a list of subject patterns`)
    for (const pattern of list) checkUserPattern(pattern)
    return list
  }
  return { publish: of("publish"), subscribe: of("subscribe"), request: of("request"), serve: of("serve") }
}

/** What a token check has given back. Throws EINVAL: the host's own mistake. */
export function checkGrant(grant: EdgeGrant): EdgeGrant {
  if (typeof grant !== "object") throw invalid("edge.token must give back an object or null")
  checkNames("what edge.token gives back", grant, GRANTED)
  if (grant.user !== undefined && typeof grant.user !== "string")
    throw invalid("user, given back by edge.token, is no string")
  if (grant.expires !== undefined && !Number.isFinite(grant.expires))
    throw invalid("expires, given back by edge.token, is no time in milliseconds")
  return grant
}

function addresses(listen: unknown): readonly string[] {
  const list = typeof listen === "string" ? [listen] : listen
  if (!Array.isArray(list) || list.length === 0 || !list.every(one => /^wss?:\/\/./.test(String(one))))
    throw invalid(
      `edge.listen is ${JSON.stringify(listen)}; it takes ws://host:port or wss://host:port, or a list of them`,
    )
  return list
}

function originsOf(origins: unknown): Origins {
  if (origins === "same" || origins === "*") return origins
  if (
    Array.isArray(origins) &&
    origins.every(one => typeof one === "string" && /^[a-z][a-z0-9+.-]*:\/\/[^/]+$/.test(one))
  )
    return origins
  throw invalid('edge.origins takes "same", "*", or a list of origins such as "https://example.com"')
}

function filesOf(files: Readonly<Record<string, EdgeFile>>): ReadonlyMap<string, EdgeFile> {
  for (const [path, file] of Object.entries(files)) {
    if (!path.startsWith("/")) throw invalid(`edge.files: ${JSON.stringify(path)} is no path; it begins with /`)
    if (typeof file?.type !== "string" || !(typeof file.body === "string" || file.body instanceof Uint8Array))
      throw invalid(`edge.files: ${path} needs a type and a body`)
  }
  return new Map(Object.entries(files))
}

function invalid(text: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: ${text}`)
}
