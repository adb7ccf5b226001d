/**
 * The contract: a transport is a scheme plus `listen` and `dial`; a pattern is a handful of events; core introduces
 * them to each other. This file imports nothing, and every rule is written on the method that it binds.
 */

/** Atomic: all frames or none. Immutable once sent; a received frame is a view on a larger chunk (copy what you keep). */
export type Message = readonly Buffer[]

/**
 * A whole message whose memory is used again as soon as the call that it is passed to returns: there is no list and no view
 * of it. One object stands for one message after the other.
 */
export interface Loan {
  readonly bytes: Buffer
  /** Frames of the message; at least 1. */
  readonly count: number
  /** Where in `bytes` each frame begins and ends, in turn: two numbers a frame. What lies behind them means nothing. */
  readonly bounds: Int32Array
}

/** The names that ZMTP puts on the wire (RFC 37, `Socket-Type`), and the three of nanomsg that Heddle adds. */
export type SocketType =
  | "PAIR"
  | "PUB"
  | "SUB"
  | "REQ"
  | "REP"
  | "DEALER"
  | "ROUTER"
  | "PULL"
  | "PUSH"
  | "XPUB"
  | "XSUB"
  | "STREAM"
  | "SERVER"
  | "CLIENT"
  | "RADIO"
  | "DISH"
  | "GATHER"
  | "SCATTER"
  | "DGRAM"
  | "PEER"
  | "CHANNEL"
  | "SURVEYOR"
  | "RESPONDENT"
  | "BUS"

/** Short notices between partners that are not messages: they pass outside every high-water mark (RFC 37, RFC 48). */
export type ControlName = "SUBSCRIBE" | "CANCEL" | "JOIN" | "LEAVE"

/** What one side says of itself in the handshake. */
export interface Hello {
  readonly socketType: SocketType
  /** 0 to 255 octets; empty = none. Only REQ, REP, DEALER and ROUTER send it. */
  readonly routingId: Buffer
  /** Further properties, names as on the wire (`X-...`). */
  readonly metadata: ReadonlyMap<string, Buffer>
}

/** What is known of the other side once the handshake is done. */
export interface PeerHello extends Hello {
  /** Endpoint of the peer, for people: `tcp://127.0.0.1:5555`. */
  readonly address: string
  readonly mechanism: "NULL" | "PLAIN" | "CURVE"
  /** Who the mechanism says the peer is; empty without authentication. */
  readonly userId: string
}

/** Options that a transport reads. Times in milliseconds, sizes in bytes. See core/options.ts for defaults. */
export interface LinkOptions {
  readonly handshakeInterval: number
  readonly connectTimeout: number
  /** Largest inbound message, all frames together; -1 = unlimited. */
  readonly maxMessageSize: number
  readonly heartbeatInterval: number
  readonly heartbeatTimeout: number
  readonly heartbeatTimeToLive: number
  readonly backlog: number
  /** Connections that one listener lets be in the handshake at once; more are closed. */
  readonly maxHandshakes: number
  /** Bytes of shared memory for each direction of a connection that can use it; of a group's member whether it shares any; 0 = none. */
  readonly sharedMemory: number
  /** Only when there is traffic, where the peer agrees; otherwise at once. Default false. */
  readonly sharedMemoryLate?: boolean
  /** Microseconds that a reader of shared memory looks for more before it sleeps; 0 = as long as it pays. */
  readonly busyPoll: number
  readonly ipv6: boolean
  readonly tcpKeepalive: number
  readonly tcpKeepaliveIdle: number
  readonly tcpKeepaliveCount?: number
  readonly tcpKeepaliveInterval?: number
  readonly tcpMaxRetransmitTimeout?: number
  readonly typeOfService?: number
  /** The network interface to use and no other. */
  readonly interface?: string | null
  /** Bytes of the operating system's buffers; -1 = its default. */
  readonly sendBufferSize?: number
  readonly receiveBufferSize?: number
  /** CIDR allow list for accepted addresses; empty = everybody. */
  readonly tcpAcceptFilter: readonly string[]
  /** Whole messages that a transport with queues of its own (inproc) may hold for us. */
  readonly sendHighWaterMark: number
  readonly receiveHighWaterMark: number
  /** For `wss://`: see core/socket-options.ts. */
  readonly tls?: TlsOptions | null
  /** Pages that may connect to a listener of `ws://` or `wss://`, by their origin. */
  readonly webOrigins?: "same" | "*" | readonly string[]
  /** Routers that a multicast datagram may pass; only sockets that send have the two. */
  readonly multicastHops?: number
  /** Whether this machine hears its own multicast datagrams. */
  readonly multicastLoopback?: boolean
  /** What of reliable multicast can be chosen; see core/socket-options.ts. */
  readonly rate?: number
  readonly recoveryInterval?: number
  readonly multicastMaxTransportDataUnit?: number
  readonly multicastFlow?: MulticastFlow
  readonly multicastParity?: MulticastParity
  readonly multicastWindow?: number
}

/** Whom a multicast sender waits for: the slowest receiver, the fastest, or nobody. */
export type MulticastFlow = "slowest" | "fastest" | "none"

/** One packet more for every so many, by which receivers mend a loss themselves; "auto" = while some lose packets. */
export type MulticastParity = "auto" | false | 4 | 8 | 16

/** Keys and certificates as PEM text. */
export interface TlsOptions {
  /** Private key; who listens needs it. */
  readonly key?: string | Buffer
  /** Certificate and its chain; who listens needs it. */
  readonly cert?: string | Buffer
  /** Authorities to trust instead of the usual ones. Who listens asks for a certificate of one of them. */
  readonly ca?: string | Buffer
  /** Of the private key. */
  readonly passphrase?: string
  /** Name that the server's certificate must be for, where it is not the host of the endpoint. For connect. */
  readonly serverName?: string
  /** False = any certificate of the server will do: for tests only. For connect. Default true. */
  readonly rejectUnauthorized?: boolean
}

/** Our side of a handshake. One object serves every connection of a socket. */
export interface Handshake {
  readonly options: LinkOptions
  /** True when `answer` depends on the peer: an acceptor then hears the peer out before it speaks. */
  readonly adaptive: boolean
  /** What we say: to `null` when we speak first, otherwise to this peer. */
  answer(peer: PeerHello | null): Hello
  /** Throws a `HeddleError` when the peer must not talk to us (incompatible socket type). Called once per connection, last. */
  admit(peer: PeerHello): void
}

/** The parsed form of `scheme://rest`; `core/endpoint.ts` makes it. */
export interface Endpoint {
  readonly scheme: string
  /** Everything after `://`. */
  readonly address: string
  /** As the user wrote it. */
  readonly href: string
}

export interface Transport {
  readonly scheme: string
  /** See `Pipe.addressed`; absent where connections have peers. */
  readonly addressed?: boolean
  /** See `Pipe.largestDatagram`. */
  readonly largestDatagram?: number
  /**
   * Throws EINVAL, ENAMETOOLONG or ENOCOMPATPROTO for an endpoint that can never work, ENOTSUP for options that cannot be
   * honoured here, before anything is tried.
   */
  check(endpoint: Endpoint, side: "listen" | "dial", type: SocketType, options?: LinkOptions): void
  /**
   * Resolves when peers can connect. Rejects with a `HeddleError`. Each peer is handed to `sink.connection` once its
   * handshake is done, never before; failures of single peers go to `sink.failed` and never end the listener.
   */
  listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener>
  /**
   * One attempt. Resolves with the handshake done. Rejects with a `HeddleError`; `fatal` on it says that trying again
   * cannot help (the peer refused us). `signal` ends the attempt at once. `reached` is called when the peer's address
   * answered, before the handshake.
   */
  dial(
    endpoint: Endpoint,
    local: Handshake,
    signal: AbortSignal,
    reached?: (address: string) => void,
  ): Promise<Connection>
}

export interface Listener {
  /** With the real port or path in place of a wildcard. */
  readonly endpoint: string
  /** Stops listening; resolves when the address is free again. Accepted connections live on. */
  close(): Promise<void>
}

export interface ListenerSink {
  /** A peer reached us; the handshake begins. */
  accepted(address: string): void
  connection(connection: Connection): void
  failed(address: string, error: Error): void
}

/** How messages become bytes: connections that share one `Wire` object accept each other's encoded chunks. */
export interface Wire {
  /** Bytes that `encode` will write. */
  size(message: Message): number
  /** Writes the whole message at `offset`, which has room for `size(message)`; returns the end. */
  encode(message: Message, chunk: Buffer, offset: number): number
}

/** Full duplex, ordered, message-oriented; the handshake is done. */
export interface Connection {
  readonly peer: PeerHello
  /** Null when messages do not travel as bytes (inproc) or not as the same bytes for everybody (encryption). */
  readonly wire: Wire | null
  /** Bytes received and sent so far, framing included; 0 where messages do not travel as bytes. */
  readonly bytesReceived: number
  readonly bytesSent: number
  /** Datagrams that were lost on the way to us and have come all the same: repaired, or reckoned from others. Absent: it has none. */
  readonly mended?: number
  /** Milliseconds that these were missed, all together: from when that was noticed until they came. */
  readonly mendedTime?: number
  /** True = it looks for messages for a while before it sleeps, so that nobody else need do it. Absent: it sleeps. */
  readonly vigilant?: boolean
  /**
   * Nothing is delivered before it, not even `closed`. Called exactly once. The sink may be called from within it.
   * What else the connection offers may be used before.
   */
  start(sink: ConnectionSink): void
  /** Takes the message. False = taken, but stop until `drain()`. Never throws, never calls the sink. */
  send(message: Message): boolean
  /** `send` of a message of this one frame, for which no list is made. Absent where messages travel as lists. */
  sendFrame?(frame: Buffer): boolean
  /**
   * Takes `count` whole messages that `wire` encoded. The bytes are not changed afterwards by anybody. Same answer as
   * `send`. Never called when `wire` is null.
   */
  sendEncoded(bytes: Buffer, count: number): boolean
  /** What was taken goes to the operating system now, not at the end of the turn. Absent where nothing is held back. */
  flush?(): void
  /** Passes a notice in order with messages, whatever `send` answered last. */
  control(name: ControlName, body: Buffer): void
  /** Stops delivery; at most the message being delivered arrives after it. Idempotent. */
  pause(): void
  /** Delivery goes on, never from within this call. Idempotent. */
  resume(): void
  /** Ends it now: what was taken and is not with the operating system is lost. Idempotent. */
  close(reason?: Error): void
  /**
   * Sends what was taken, then says goodbye, and waits for the peer's goodbye, which proves that it has read it all.
   * `closed` follows. Who does not want to wait any longer calls `close`.
   */
  end(): void
}

/** What the owner of a connection hears. None of these is called again after `closed`. */
export interface ConnectionSink {
  message(message: Message): void
  /** True while `lend` takes messages. */
  readonly borrows?: boolean
  /**
   * `message` for one that the sink only looks at. False: it was not taken, hand it on as a message. To be called only when
   * `borrows`; which connections do is theirs to choose.
   */
  lend?(loan: Loan): boolean
  controlReceived(name: ControlName, body: Buffer): void
  /** `send` answered false; now there is room again. */
  drain(): void
  /** Messages to or from this peer that the connection had to drop. `gap`, for the reason of that name: which they were. */
  lost?(reason: DropReason, count: number, gap?: Gap): void
  /** Exactly once. A reason is an error of the link or a refusal; none = an orderly end. */
  closed(reason?: Error): void
}

/** Messages of one sender that were lost for good, next to each other. */
export interface Gap {
  /** Who sent them. */
  readonly sender: string
  /** The number of the first of them: a sender counts its messages from 0. */
  readonly from: number
  readonly reason: string
}

/**
 * Why a message was dropped. Every drop is counted under one of these. "gap": it was lost on the way, and could not be
 * repaired.
 */
export type DropReason =
  | "full"
  | "no-peer"
  | "unroutable"
  | "malformed"
  | "closed"
  | "conflated"
  | "stale"
  | "filtered"
  | "gap"

/** What waits to be read of one pipe. */
export interface Lane {
  /** The pipe is gone for good; what it sent stays readable. */
  left(): void
}

/**
 * A connection with a bounded queue, as patterns see it. A pipe of a connecting socket outlives its connections: it
 * takes messages before the first and between two of them.
 */
export interface Pipe {
  readonly id: number
  /** Null until the first handshake. */
  readonly peer: PeerHello | null
  /** Routing id that the user chose for the peer of this pipe (`connect(address, { routingId })`). */
  readonly assignedId: Buffer | null
  /**
   * True when the pipe leads to an address and not to a peer (udp, multicast): nobody answers the handshake, no notice
   * comes or goes, and who receives filters.
   */
  readonly addressed?: boolean
  /** Present when each message is one datagram of at most so many bytes. */
  readonly largestDatagram?: number
  /** True when `send` would take a message. False = full, and `Pattern.writable` will be called as after `send`. */
  readonly writable: boolean
  /** True while a connection is there and takes messages without queueing: `sendEncoded` may be used. */
  readonly flowing: boolean
  readonly wire: Wire | null
  /** True = sent or queued. False = full: nothing taken, `Pattern.writable` will be called when there is room. */
  send(message: Message): boolean
  /** `send` of a message of this one frame, for which no list is made unless it must wait. */
  sendFrame?(frame: Buffer): boolean
  /** See `Connection.sendEncoded`; only when `flowing`. */
  sendEncoded(bytes: Buffer, count: number): void
  control(name: ControlName, body: Buffer): void
  /** Sends ahead of what is queued, whatever the high-water mark. Only from within `Pattern.online`, and few. */
  greet(message: Message): void
  pause(): void
  resume(): void
  /** Counts a message that was meant for, or came from, this peer and was dropped. */
  drop(reason: DropReason, count?: number): void
  /** Refuses the peer; `detach` follows. A connecting pipe goes on to reconnect. */
  close(reason?: Error): void
  /** Sends what it has taken, then ends the connection in order and for good; `detach` follows. Send nothing after it. */
  finish(): void

  // Places for the strategies of core/, so that no look-up is needed per message. Owned by the strategy that uses them.
  /** Index in the array of the strategy that sends through this pipe. */
  sendSlot: number
  /** What the fair queue holds of this pipe's messages (core/fair-queue.ts); null = nothing yet. */
  lane: Lane | null
  /** Stamp of the last match that included this pipe (core/prefix-index.ts). */
  mark: number
  /** Stamp of the last shared batch that included this pipe (core/distributor.ts). */
  batch: number
  /** What the pattern keeps about this peer. */
  state: unknown
}

/**
 * One socket's protocol. Never blocks, never throws out of an event. A pipe's events come in this order:
 * attach (online (receive | control | writable)* offline)* detach; writable may also come while offline.
 */
export interface Pattern {
  /** Messages dropped that belong to no pipe (nobody has the routing id); `Socket.stats()` adds them. */
  readonly dropped?: Partial<Record<DropReason, number>>
  /**
   * Throws to turn a peer away that reached us by `bind`, before it is answered: what it has queued then stays with it.
   * Over some transports another peer may still come between this and `attach`.
   */
  screen?(peer: PeerHello): void
  /** A pipe may be used from now on; it need not have a connection yet. */
  attach(pipe: Pipe): void
  /** A handshake was completed on this pipe: say what a new peer must know (subscriptions), by `control`. */
  online?(pipe: Pipe): void
  offline?(pipe: Pipe): void
  receive(pipe: Pipe, message: Message): void
  /** See `ConnectionSink`: for patterns that hand on what comes, unchanged. */
  readonly borrows?: boolean
  lend?(pipe: Pipe, loan: Loan): boolean
  control?(pipe: Pipe, name: ControlName, body: Buffer): void
  /** A pipe that answered false to `send` has room again. */
  writable(pipe: Pipe): void
  /** Connections are about to be ended in order: what is held back for a batch goes to its pipes now. */
  flush?(): void
  /** Exactly once. What the peer had sent before stays readable. */
  detach(pipe: Pipe): void
}
