import { isIP } from "node:net"
import type { MulticastFlow, MulticastParity, TlsOptions } from "./contract.ts"
import { HeddleError } from "./errors.ts"
import { choice, flag, integer, type OptionSpec, type OptionTable, refused } from "./options.ts"

/** Options of every socket, by the names of the npm package `zeromq` v6; libzmq's name is in brackets. */
export interface CommonOptions {
  /** Milliseconds that `close` goes on sending what is queued; 0 = drop it, -1 = for ever. Default 10,000. Live. [ZMQ_LINGER] */
  linger: number
  /** Milliseconds before a lost or refused connection is tried again; 0 or -1 = never. Default 100. [ZMQ_RECONNECT_IVL] */
  reconnectInterval: number
  /**
   * Milliseconds up to which the interval doubles with each failure, with jitter. 0 = it stays `reconnectInterval` plus
   * a random part as long again. Default 5,000. [ZMQ_RECONNECT_IVL_MAX]
   */
  reconnectMaxInterval: number
  /** When a connecting socket gives up. Default "never": after a refusal it backs off to the longest interval. [ZMQ_RECONNECT_STOP] */
  reconnectStop: ReconnectStop
  /** Connections that the operating system lets wait for `accept`. Default 511. [ZMQ_BACKLOG] */
  backlog: number
  /** Connections of one listener that may be in the handshake at once. Default 1,024. */
  maxHandshakes: number
  /**
   * Bytes of shared memory for each direction of an `ipc://` connection between two Heddle processes that have the native
   * addon; rounded up to a power of two; 0 = messages pass through the Unix socket. Who connects decides. Default 1 MiB.
   * Of a `multicast://` socket: whether members on the same machine share memory (0 = datagrams only); its size follows from
   * `multicastWindow`.
   */
  sharedMemory: number
  /**
   * Microseconds that a connection in shared memory looks for messages after the last one before it sleeps, whatever it
   * costs: latency for a processor. Default 0: some tens, and only as long as it pays.
   */
  busyPoll: number
  /** Largest inbound message in bytes, all frames together; more closes the connection. -1 = unlimited. Default 64 MiB. [ZMQ_MAXMSGSIZE] */
  maxMessageSize: number
  /** Queue only to peers that are connected. Default false. [ZMQ_IMMEDIATE] */
  immediate: boolean
  /** Resolve and bind IPv6 addresses too. Default false. [ZMQ_IPV6] */
  ipv6: boolean
  /** Milliseconds for the handshake; 0 = no limit. Default 30,000. [ZMQ_HANDSHAKE_IVL] */
  handshakeInterval: number
  /** Milliseconds between signs of life that we ask of a peer; 0 = never. Default 5,000. [ZMQ_HEARTBEAT_IVL] */
  heartbeatInterval: number
  /** Milliseconds without a byte from a peer after which it is dead; -1 = the interval. Default 10,000. [ZMQ_HEARTBEAT_TIMEOUT] */
  heartbeatTimeout: number
  /** Milliseconds after which the peer shall take us for dead; 0 = its own affair. At most 6,553,599. Default 0. [ZMQ_HEARTBEAT_TTL] */
  heartbeatTimeToLive: number
  /** Milliseconds for one TCP connect; 0 = the operating system's limit. Default 0. [ZMQ_CONNECT_TIMEOUT] */
  connectTimeout: number
  /** TCP keep-alive: 1 on, 0 off, -1 the operating system's default. Default -1. [ZMQ_TCP_KEEPALIVE] */
  tcpKeepalive: number
  /** Seconds of silence before the first keep-alive probe; -1 = default. [ZMQ_TCP_KEEPALIVE_IDLE] */
  tcpKeepaliveIdle: number
  /** Probes without an answer after which the peer is dead, for tcp with `tcpKeepalive` 1; -1 = default. Needs the native addon. [ZMQ_TCP_KEEPALIVE_CNT] */
  tcpKeepaliveCount: number
  /** Seconds between probes, for tcp with `tcpKeepalive` 1; -1 = default. Needs the native addon. [ZMQ_TCP_KEEPALIVE_INTVL] */
  tcpKeepaliveInterval: number
  /** Milliseconds that sent bytes may stay unacknowledged before a tcp connection breaks; 0 = default. Needs the native addon. [ZMQ_TCP_MAXRT] */
  tcpMaxRetransmitTimeout: number
  /** The byte "type of service" of tcp packets (DSCP in its upper six bits, RFC 2474); 0 = default. Needs the native addon. [ZMQ_TOS] */
  typeOfService: number
  /** The only network interface that tcp uses, such as `eth0`; null = any. Needs the native addon. [ZMQ_BINDTODEVICE] */
  interface: string | null
  /** Accept only from these addresses, in CIDR notation: one, several, or null for everybody. [ZMQ_TCP_ACCEPT_FILTER] */
  tcpAcceptFilter: string | readonly string[] | null
  /**
   * Keys and certificates for `wss://`, as PEM text: `{ key, cert }` to bind, with `ca` where clients must show a certificate;
   * `{ ca }` to connect to a server whose authority is not one of the usual. Default null. [ZMQ_WSS_KEY_PEM and its like]
   */
  tls: TlsOptions | null
  /**
   * Pages that may connect to a `ws://` or `wss://` endpoint of this socket, by the `Origin` that browsers send: a list such as
   * ["https://example.com"], "same" = those of the endpoint's own host and port, "*" = all. Programs send none and are let in. Default
   * []: no page, for any page that a browser shows could otherwise talk to the sockets of its machine.
   */
  webOrigins: "same" | "*" | readonly string[]
  /** Properties for the handshake; names must begin with `X-`. [ZMQ_METADATA] */
  metadata: Readonly<Record<string, string>>
  /** Kilobits per second that multicast:// sends at most; 0 = as much as the receivers take. Default 0. [ZMQ_RATE] */
  rate: number
  /**
   * Milliseconds for which multicast:// can repair what was lost: as long a sender keeps what it has sent, within
   * `multicastWindow`, and after that a receiver reports a gap. 100 to 3,600,000. Default 10,000. [ZMQ_RECOVERY_IVL]
   */
  recoveryInterval: number
  /**
   * Bytes of an IP packet that multicast:// sends, headers included: 576 to 65,535; 0 = the MTU of the interface. Default 0.
   * [ZMQ_MULTICAST_MAXTPDU]
   */
  multicastMaxTransportDataUnit: number
  /**
   * Bytes that a multicast:// sender keeps for repairs and may be ahead of its receivers, and that a receiver keeps of each
   * sender while something is missing. 128 KiB to 1 GiB. Default 8 MiB.
   */
  multicastWindow: number
}

/** "connection-refused", "handshake-failed" and "after-disconnect" are libzmq's bits 1, 2 and 4. */
export type ReconnectStop = "never" | "connection-refused" | "handshake-failed" | "after-disconnect"

const SECURITY = "this version speaks the NULL mechanism only; PLAIN and CURVE come with a later one"

/** The least that every IPv4 host takes (RFC 791), and the most that an IP packet can have; 0 = what the interface says. */
const transportDataUnit: OptionSpec<number> = {
  initial: 0,
  live: false,
  check(value, name) {
    const size = integer(0, { min: 0, max: 65_535, unit: "bytes" }).check(value, name)
    if (size === 0 || size >= 576) return size
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: option ${name} is ${size}; it takes 0 (as the interface says) or 576 to 65535 (bytes)`,
    )
  },
}

const filter: OptionSpec<string | readonly string[] | null> = {
  initial: null,
  live: false,
  check(value, name) {
    if (value === null || value === "") return null
    const ranges = typeof value === "string" ? [value] : value
    if (!Array.isArray(ranges)) throw new TypeError(`Option value must be a string or a list of strings: ${name}`)
    for (const range of ranges) {
      const [address, bits, more] = String(range).split("/")
      const family = isIP(address)
      const most = family === 6 ? 128 : 32
      if (family === 0 || more !== undefined || (bits !== undefined && !(/^\d+$/.test(bits) && Number(bits) <= most))) {
        throw new HeddleError(
          "EINVAL",
          `Invalid argument: option ${name}: "${range}" is no address range; write 10.0.0.0/8 or ::1`,
        )
      }
    }
    return value as string | readonly string[]
  },
}

/** Linux's IFNAMSIZ is 16 with the final zero. */
const device: OptionSpec<string | null> = {
  initial: null,
  live: false,
  check(value, name) {
    if (value === null || value === "") return null
    if (typeof value !== "string") throw new TypeError(`Option value must be a string: ${name}`)
    if (!/^[^\s/\0]{1,15}$/.test(value)) {
      throw new HeddleError("EINVAL", `Invalid argument: option ${name}: "${value}" is no interface; write eth0`)
    }
    return value
  },
}

const TLS_NAMES: ReadonlySet<string> = new Set([
  "key",
  "cert",
  "ca",
  "passphrase",
  "serverName",
  "rejectUnauthorized",
] satisfies (keyof TlsOptions)[])

const tls: OptionSpec<TlsOptions | null> = {
  initial: null,
  live: false,
  check(value, name) {
    if (value === null) return null
    if (typeof value !== "object") throw new TypeError(`Option value must be an object: ${name}`)
    for (const [key, one] of Object.entries(value as object)) {
      if (!TLS_NAMES.has(key)) {
        throw new HeddleError(
          "EINVAL",
          `Invalid argument: option ${name} has no ${key}; it has ${[...TLS_NAMES].join(", ")}`,
        )
      }
      const pem = key === "key" || key === "cert" || key === "ca"
      if (one !== undefined && pem && !String(one).includes("-----BEGIN ")) {
        throw new HeddleError("EINVAL", `Invalid argument: option ${name}: ${key} must be PEM text, not a file name`)
      }
    }
    return value as TlsOptions
  },
}

const webOrigins: OptionSpec<"same" | "*" | readonly string[]> = {
  initial: [],
  live: false,
  check(value, name) {
    if (value === "same" || value === "*") return value
    const origin = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/
    if (Array.isArray(value) && value.every(one => typeof one === "string" && origin.test(one))) return value
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: option ${name} is ${JSON.stringify(value)}; it takes "same", "*" or a list such as ["https://example.com"]`,
    )
  },
}

const metadata: OptionSpec<Readonly<Record<string, string>>> = {
  initial: {},
  live: false,
  check(value, name) {
    if (typeof value !== "object" || value === null) throw new TypeError(`Option value must be an object: ${name}`)
    for (const [key, text] of Object.entries(value)) {
      if (typeof text !== "string") throw new TypeError(`Option value must be a string: ${name}, property ${key}`)
      if (!/^X-[A-Za-z0-9\-_.+]{1,250}$/.test(key)) {
        throw new HeddleError(
          "EINVAL",
          `Invalid argument: option ${name}: property "${key}" must begin with X- and have letters, digits and -_.+ only`,
        )
      }
    }
    return value as Readonly<Record<string, string>>
  },
}

const reconnectStop: OptionSpec<ReconnectStop> = {
  initial: "never",
  live: false,
  check(value, name) {
    const known = ["never", "connection-refused", "handshake-failed", "after-disconnect"]
    if (!known.includes(value as string)) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: option ${name} is ${String(value)}; it takes one of ${known.join(", ")}`,
      )
    }
    return value as ReconnectStop
  },
}

export const COMMON_OPTIONS: OptionTable = {
  linger: integer(10_000, { min: -1, live: true, unit: "milliseconds" }),
  reconnectInterval: integer(100, { min: -1, unit: "milliseconds" }),
  reconnectMaxInterval: integer(5_000, { min: 0, unit: "milliseconds" }),
  reconnectStop,
  backlog: integer(511, { min: 1, max: 65535 }),
  maxHandshakes: integer(1024, { min: 1 }),
  // With a quarter of it small messages passed a fourth slower (batches of 64 KiB are cut in three), with four times nothing was
  // gained; 100 connections stay within 250 MB.
  sharedMemory: integer(1024 * 1024, { min: 0, max: 64 * 1024 * 1024, unit: "bytes" }),
  busyPoll: integer(0, { min: 0, max: 60_000_000, unit: "microseconds" }),
  maxMessageSize: integer(64 * 1024 * 1024, { min: -1, max: Number.MAX_SAFE_INTEGER, unit: "bytes" }),
  immediate: flag(false),
  ipv6: flag(false),
  handshakeInterval: integer(30_000, { min: 0, unit: "milliseconds" }),
  heartbeatInterval: integer(5_000, { min: 0, unit: "milliseconds" }),
  heartbeatTimeout: integer(10_000, { min: -1, unit: "milliseconds" }),
  heartbeatTimeToLive: integer(0, { min: 0, max: 6_553_599, unit: "milliseconds" }),
  connectTimeout: integer(0, { min: 0, unit: "milliseconds" }),
  tcpKeepalive: integer(-1, { min: -1, max: 1 }),
  tcpKeepaliveIdle: integer(-1, { min: -1, max: 32767, unit: "seconds" }),
  tcpKeepaliveCount: integer(-1, { min: -1, max: 127 }),
  tcpKeepaliveInterval: integer(-1, { min: -1, max: 32767, unit: "seconds" }),
  tcpMaxRetransmitTimeout: integer(0, { min: 0, unit: "milliseconds" }),
  typeOfService: integer(0, { min: 0, max: 255 }),
  interface: device,
  tcpAcceptFilter: filter,
  tls,
  webOrigins,
  metadata,
  // libzmq's 100 kilobits a second are for networks of another time: our receivers say how much they can take.
  rate: integer(0, { min: 0, unit: "kilobits per second" }),
  recoveryInterval: integer(10_000, { min: 100, max: 3_600_000, unit: "milliseconds" }),
  multicastMaxTransportDataUnit: transportDataUnit,
  // A second of 64 Mbit/s: several round trips of any network that carries multicast.
  multicastWindow: integer(8 * 1024 * 1024, { min: 128 * 1024, max: 1024 * 1024 * 1024, unit: "bytes" }),
  // What libzmq has and this version has not. Each says why.
  affinity: refused(0, "there are no I/O threads to choose from"),
  socksProxy: refused<string | null>(null, "SOCKS proxies are not supported yet"),
  loopbackFastPath: refused(false, "it exists on Windows only, and Node does not offer it"),
  plainServer: refused(false, SECURITY),
  plainUsername: refused<string | null>(null, SECURITY),
  plainPassword: refused<string | null>(null, SECURITY),
  curveServer: refused(false, SECURITY),
  curvePublicKey: refused<string | null>(null, SECURITY),
  curveSecretKey: refused<string | null>(null, SECURITY),
  curveServerKey: refused<string | null>(null, SECURITY),
  zapDomain: refused<string | null>(null, SECURITY),
  zapEnforceDomain: refused(false, SECURITY),
  gssapiServer: refused(false, "GSSAPI needs a system library"),
  gssapiPrincipal: refused<string | null>(null, "GSSAPI needs a system library"),
  gssapiServicePrincipal: refused<string | null>(null, "GSSAPI needs a system library"),
  gssapiPlainText: refused(false, "GSSAPI needs a system library"),
  gssapiPrincipalNameType: refused("hostBased", "GSSAPI needs a system library"),
  gssapiServicePrincipalNameType: refused("hostBased", "GSSAPI needs a system library"),
  vmciBufferSize: refused(65536, "there is no VMCI transport"),
  vmciBufferMinSize: refused(128, "there is no VMCI transport"),
  vmciBufferMaxSize: refused(262144, "there is no VMCI transport"),
  vmciConnectTimeout: refused(-1, "there is no VMCI transport"),
}

export const SENDING_OPTIONS: OptionTable = {
  sendHighWaterMark: integer(1000, { min: 0, live: true, unit: "messages" }),
  sendTimeout: integer(-1, { min: -1, live: true, unit: "milliseconds" }),
  sendBufferSize: integer(-1, { min: -1, unit: "bytes" }),
  multicastHops: integer(1, { min: 0, max: 255 }),
  multicastLoopback: flag(true),
  multicastFlow: choice<MulticastFlow>("slowest", ["slowest", "fastest", "none"]),
  multicastParity: choice<MulticastParity>("auto", ["auto", false, 4, 8, 16]),
}

export const RECEIVING_OPTIONS: OptionTable = {
  receiveHighWaterMark: integer(1000, { min: 0, live: true, unit: "messages" }),
  receiveTimeout: integer(-1, { min: -1, live: true, unit: "milliseconds" }),
  receiveBufferSize: integer(-1, { min: -1, unit: "bytes" }),
}
