import type { Codec } from "../../core/codec.ts"
import type { Context } from "../../core/context.ts"
import type { LinkOptions } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { defaultsOf } from "../../core/options.ts"
import type { StandardSchema } from "../../core/schema.ts"
import { Socket } from "../../core/socket.ts"
import { checkGroup } from "../../core/subject.ts"
import type { Discovery } from "./discovery/discovery.ts"
import type { EdgeOptions } from "./edge/options.ts"
import type { MembershipOptions } from "./membership.ts"
import { checkUserPattern } from "./reserved.ts"

/** How plain ZeroMQ clients that connect to this node are served. */
export interface ForeignOptions {
  /**
   * Codec by which payloads of ZeroMQ clients are taken, and by which those that are no bytes are given to them: the
   * name of any codec. Default "bytes": they arrive as they are, and what other nodes publish goes out as plain msgpack,
   * strings and JSON as they were sent.
   */
  codec?: string
  /**
   * Messages for PULL clients: the pattern to subscribe to, and a queue group that they are one member of. Without `queue` each message goes to
   * one PULL client of each node that has this option. Default: PULL clients are refused.
   */
  pull?: { subject: string; queue?: string } | null
  /** False: only nodes of the fabric are let in. Default true. */
  accept?: boolean
  /** Messages that may wait for one client; more are dropped. Default 1,000. */
  highWaterMark?: number
  /** Clients at a time; more are turned away, and may come back. Default 1,024. */
  maxClients?: number
  /** Prefixes that one SUB client may follow, with 256 bytes each on average; who wants more is cut off. Default 10,000. */
  maxSubscriptions?: number
}

/** A group that carries subjects. */
export interface CarryOptions {
  /** Its endpoint: `multicast://group:port?interface=eth0`. */
  group: string
  /** Peers that must hear the group before it is used; fewer get by link, which is as cheap. Default 2. */
  threshold?: number
  /**
   * Milliseconds, 30 to 60,000, without a datagram of a publisher after which its messages come by link. Default 3,000; publishers
   * send a beacon in each third of it, at least once a second.
   */
  probe?: number
}

/** What `join` takes. Times in milliseconds, sizes in bytes. */
export interface JoinOptions {
  /** For people, in events and tables. Default: the program's file name. */
  name?: string
  /** How peers are found. Default: `[directory()]`, all processes of this user on this machine. An empty list: nobody is. */
  discovery?: readonly Discovery[]
  /** Where to listen. Default: what discovery asks for, otherwise `tcp://127.0.0.1:0`. An empty list: nowhere; the node then dials only. */
  listen?: string | readonly string[]
  /** Endpoints that peers are told, where they differ from those listened on (NAT, containers). Default: those listened on. */
  advertise?: readonly string[]
  /** Codec of payloads that are no bytes: "msgpack" (default), "json", "string", "bytes" or one of `codecs`. */
  codec?: string
  /** Codecs of your own. All nodes that use their messages need them. */
  codecs?: readonly Codec[]
  /** Standard Schema validators by subject pattern: payloads are checked when published and when received. */
  schemas?: Readonly<Record<string, StandardSchema>>
  /**
   * How long, and how many bytes for each peer, messages are kept for a link that is broken or slow. Within both nothing is
   * lost. Default 30,000 and 8 MiB. `control`: bytes for each peer of wishes, acknowledgements and other small records that wait for
   * no room; beyond it, and beyond what a newcomer would be told, the link begins anew, as after `time`. Default four times
   * `bytes`, at least 1 MiB.
   */
  resume?: { time?: number; bytes?: number; control?: number }
  /** Milliseconds that a peer beyond the resume window is remembered, so that its gap can be told. Default 300,000. */
  remember?: number
  /** Milliseconds for requests that name no timeout. Default 5,000. */
  timeout?: number
  /**
   * Microseconds after a request in which the process looks for the answer instead of sleeping; a server that was asked few things at
   * once looks as long for what it is asked next. Each halves the time of a short round trip, and costs at most so much of the
   * processor for each request; where news takes longer, or others need the processor, it is soon left be. Default 100; 0 = it sleeps.
   */
  busyPoll?: number
  /**
   * Bytes of shared memory for each direction of a link within one machine, where the native addon is there on both sides;
   * 0 = links stay on Unix sockets. Default 1 MiB; it is taken as it is first written. A link moves there when there is traffic.
   */
  sharedMemory?: number
  /** Messages that may wait in one subscription, unless it says otherwise. Default 16,384. */
  highWaterMark?: number
  /** Largest payload, in bytes. Default 16 MiB. */
  maxPayload?: number
  /** Peers at most. Default 1,024. */
  maxPeers?: number
  /** Interests (subscriptions, services, workers) that one peer may announce. Default 4,194,304. */
  maxInterests?: number
  /** Requests of this node without an answer. Default 65,536. */
  maxRequests?: number
  /** Tasks of this node that are not done; `push` waits beyond. Default 10,000. */
  maxTasks?: number
  /** Timing of the membership protocol. */
  membership?: Partial<MembershipOptions>
  foreign?: ForeignOptions
  /**
   * A door for WebSocket clients (`heddle/browser`) and plain HTTP: `ws://host:port`, or what they may do there. Needs
   * uWebSockets.js or `ws`. With an address alone they may do nothing. Default: none.
   */
  edge?: string | EdgeOptions
  /**
   * Subjects that groups carry, by pattern: `{ "ticks.>": "multicast://239.7.7.7:7777?interface=eth0" }`. What is published to
   * them is sent once for all peers that have this option, too, and hear the group; the others, and those who lose some,
   * get it by link. Of several patterns that match the first counts. Default: none.
   */
  carry?: Readonly<Record<string, string | CarryOptions>>
  /** False: this node does not answer `fabric.trace` and `fabric.survey` (`heddle top`) of others. Default true. */
  introspection?: boolean
  /** Default: the context of all sockets. */
  context?: Context
}

export interface FabricSettings {
  readonly timeout: number
  readonly busyPoll: number
  readonly highWaterMark: number
  readonly maxPayload: number
  readonly maxPeers: number
  readonly maxInterests: number
  readonly maxRequests: number
  readonly maxTasks: number
  readonly remember: number
  readonly resumeTime: number
  readonly resumeBytes: number
  readonly resumeControl: number
  readonly foreign: Required<ForeignOptions>
  readonly introspection: boolean
  /** Subjects are carried by groups. */
  readonly carries: boolean
  readonly links: LinkOptions
}

const KNOWN: ReadonlySet<string> = new Set([
  "name",
  "discovery",
  "listen",
  "advertise",
  "codec",
  "codecs",
  "schemas",
  "resume",
  "remember",
  "timeout",
  "busyPoll",
  "sharedMemory",
  "highWaterMark",
  "maxPayload",
  "maxPeers",
  "maxInterests",
  "maxRequests",
  "maxTasks",
  "membership",
  "foreign",
  "edge",
  "carry",
  "introspection",
  "context",
] satisfies (keyof JoinOptions)[])

/** Throws EINVAL for a name or value that cannot be. */
export function settingsOf(options: JoinOptions): FabricSettings {
  checkNames("join", options, KNOWN)
  const maxPayload = whole("maxPayload", options.maxPayload, 16 * 1024 * 1024, 1, 2 ** 30)
  const resumeBytes = whole("resume.bytes", options.resume?.bytes, 8 * 1024 * 1024, 1)
  const common = defaultsOf(Socket.prototype) as unknown as LinkOptions
  return {
    timeout: whole("timeout", options.timeout, 5_000, 1),
    // What a sleeping core of a virtual machine takes to wake, twice over.
    busyPoll: whole("busyPoll", options.busyPoll, 100, 0, 1_000_000),
    highWaterMark: whole("highWaterMark", options.highWaterMark, 16_384, 1),
    maxPayload,
    maxPeers: whole("maxPeers", options.maxPeers, 1_024, 1),
    maxInterests: whole("maxInterests", options.maxInterests, 4_194_304, 1),
    maxRequests: whole("maxRequests", options.maxRequests, 65_536, 1),
    maxTasks: whole("maxTasks", options.maxTasks, 10_000, 1),
    remember: whole("remember", options.remember, 300_000, 0),
    resumeTime: whole("resume.time", options.resume?.time, 30_000, 0),
    resumeBytes,
    resumeControl: whole("resume.control", options.resume?.control, Math.max(4 * resumeBytes, 1024 * 1024), 1, 2 ** 40),
    foreign: foreignOf(options.foreign ?? {}),
    introspection: options.introspection ?? true,
    carries: Object.keys(options.carry ?? {}).length > 0,
    links: {
      ...common,
      sharedMemory: whole("sharedMemory", options.sharedMemory, 1024 * 1024, 0, 64 * 1024 * 1024),
      // Memory for each of a mesh's links takes as long as all the rest of a link, and most of them are idle.
      sharedMemoryLate: true,
      // Membership probes one peer at a time: a heartbeat on every link would be N squared of them.
      heartbeatInterval: 0,
      // A ZeroMQ client that vanished without a word is no member: the operating system finds out.
      tcpKeepalive: 1,
      tcpKeepaliveIdle: 30,
      connectTimeout: 2_000,
      handshakeInterval: 5_000,
      // A payload, and the batch that goes before it.
      maxMessageSize: maxPayload + 1024 * 1024,
      sendHighWaterMark: 1_000,
      receiveHighWaterMark: 1_000,
    },
  }
}

function foreignOf(options: ForeignOptions): Required<ForeignOptions> {
  const { codec = "bytes", pull = null, accept = true, highWaterMark, maxClients, maxSubscriptions } = options
  if (pull !== null) {
    checkUserPattern(pull.subject)
    if (pull.queue !== undefined) checkGroup(pull.queue)
  }
  return {
    codec,
    pull,
    accept,
    highWaterMark: whole("foreign.highWaterMark", highWaterMark, 1_000, 1),
    maxClients: whole("foreign.maxClients", maxClients, 1_024, 1),
    maxSubscriptions: whole("foreign.maxSubscriptions", maxSubscriptions, 10_000, 1),
  }
}

/** Throws EINVAL for an option that `what` does not have. */
export function checkNames(what: string, options: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(options)) {
    if (!known.has(name)) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: ${what} has no option ${name}; it has ${[...known].join(", ")}`,
      )
    }
  }
}

/** Timers of Node overflow beyond this. */
const MOST = 2 ** 31 - 1

export function whole(name: string, value: unknown, initial: number, min: number, max = MOST): number {
  if (value === undefined) return initial
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: option ${name} is ${String(value)}; it takes a whole number from ${min} to ${max}`,
    )
  }
  return value as number
}

/** Names of fabrics: they stand in paths and on the wire. Throws EINVAL. */
export function checkFabricName(name: unknown): asserts name is string {
  if (
    typeof name !== "string" ||
    name === "" ||
    Buffer.byteLength(name) > 128 ||
    [...name].some(sign => sign < " " || sign === "\x7f" || sign === "/" || sign === "\\") ||
    name === "." ||
    name === ".."
  ) {
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: ${JSON.stringify(name)} is no name of a fabric; it has 1 to 128 bytes without / \\ and control characters`,
    )
  }
}
