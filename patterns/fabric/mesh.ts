import type { Context } from "../../core/context.ts"
import type { Connection, Handshake, Hello, LinkOptions, Listener, PeerHello, SocketType } from "../../core/contract.ts"
import { parseEndpoint } from "../../core/endpoint.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import { byNearness, type Dial, FIRST_RETRY, GIVE_UP, pauseAfter } from "./dial.ts"
import { DialQueue } from "./dial-queue.ts"
import type { Candidate } from "./discovery/discovery.ts"
import { type Introduction, isNode, readIntroduction, toHello } from "./link/hello.ts"
import type { Link } from "./link/link.ts"
import { randomToken } from "./tokens.ts"

/** Addresses and nodes that are dialled at once; more wait for the next round of discovery. */
const MAX_DIALS = 4096
/** Addresses whose node is known, so that a seed is not dialled again and again. */
const MAX_ALIASES = 4096
/** Milliseconds that a newcomer is left to dial us before we dial it: two dials of one pair are a waste. */
const COURTESY = 250
/** The same for one that is known to have come later, and so to dial us: only what keeps it from that is waited for. */
const ITS_TURN = 1_000
/** As long as new links come, it is left as long again, up to so many milliseconds: when many join at once, each has many to dial. */
const MOST_COURTESY = 4_000
/** Milliseconds that two newcomers who find each other leave to the one with the lower id, whose dial would win. */
const HEAD_START = 15
/**
 * Milliseconds after which a dial that has not succeeded no longer keeps the peer's own dial from being taken: both ends must judge
 * alike, also when they are so busy that a handshake takes seconds; so, as long as an attempt may take.
 */
const STALE_DIAL = 7_000
/** Milliseconds after our answer in which the handshake must be over. */
const ABANDONED = 1_000
/** Milliseconds until the side that was dialled tries to dial itself. */
const ACCEPTOR_WAITS = 500

/** The node that the connections are for. */
export interface MeshHost {
  readonly self: { readonly node: string; readonly fabric: string; readonly host: string }
  /** Our introduction without what depends on the peer. */
  introduce(): Omit<Introduction, "stream" | "heard" | "blind" | "to" | "busy">
  /** The link with a peer, made when it is new; null when there are too many. */
  linkFor(info: Introduction, stream: string): Link | null
  linkOf(node: string): Link | undefined
  /** It broke the protocol not long ago, and is not to be dialled. */
  shuns(node: string): boolean
  /** A handshake with a node is done. */
  connected(link: Link, connection: Connection, info: Introduction, dialled: boolean): void
  /** A peer that we had answered did not come: the link has no connection, or never had one. */
  abandoned(link: Link): void
  /** The socket type by which a plain ZeroMQ peer is answered; throws when it has no place here. */
  partnerOf(peer: PeerHello): SocketType
  foreign(connection: Connection): void
  /** Nobody can be there any more: the address of its own refused, or its process is gone. */
  provenDead(node: string): void
  warn(error: HeddleError): void
}

/** Listeners and dials of one node: how links get their connections, one for each pair. */
export class Mesh {
  readonly listeners: Listener[] = []
  private readonly host: MeshHost
  private readonly context: Context
  private readonly options: LinkOptions
  private readonly dials = new Map<string, Dial>()
  /** Which node answered at an address. */
  private readonly aliases = new Map<string, string>()
  /** Peers whose handshake is not quite done, and who were told that we take the connection. */
  private readonly taken = new Set<string>()
  private readonly queue = new DialQueue()
  /** When the last link came up. */
  private linkedAt = 0
  private closed = false

  constructor(host: MeshHost, context: Context, options: LinkOptions) {
    this.host = host
    this.context = context
    this.options = options
  }

  /** Rejects as `Socket.bind` does. Returns the real endpoint. */
  async listen(address: string): Promise<string> {
    const endpoint = parseEndpoint(address)
    const transport = this.context.transportOf(endpoint.scheme, address)
    transport.check(endpoint, "listen", "PEER")
    const handshake: Handshake = {
      options: this.options,
      adaptive: true,
      answer: peer => this.answer(peer),
      admit: () => {},
    }
    try {
      const listener = await transport.listen(endpoint, handshake, {
        accepted: () => {},
        connection: connection => this.accepted(connection),
        failed: (peer, error) => {
          // A connection that ends before it said anything is somebody who looks whether we are there.
          const failure = fromSystem(error, "peer", peer)
          if (failure.code !== "ECONNRESET") this.host.warn(failure)
        },
      })
      this.listeners.push(listener)
      return listener.endpoint
    } catch (error) {
      throw fromSystem(error, "listen on", address)
    }
  }

  /** Somebody may be there. `early`: we are the newcomer, and dial at once. Resolves when the first attempt is over. */
  found(candidate: Candidate, early: boolean): Promise<void> {
    if (this.closed || candidate.node === this.host.self.node || candidate.endpoints.length === 0) return DONE
    const { node = null, endpoints } = candidate
    if (node !== null) {
      const link = this.host.linkOf(node)
      if (link?.up === true || this.host.shuns(node)) return DONE
      if (link !== undefined) return this.dial(node, node, endpoints, true, 0)
      if (candidate.older === true) return this.dial(node, node, endpoints, false, 0)
      if (candidate.older === false) return this.dial(node, node, endpoints, false, ITS_TURN, early)
      if (!early) return this.dial(node, node, endpoints, false, COURTESY)
      return this.dial(node, node, endpoints, false, this.host.self.node < node ? 0 : HEAD_START, true)
    }
    const waits = endpoints.map(endpoint => {
      const known = this.aliases.get(endpoint)
      if (known === this.host.self.node) return DONE
      if (known !== undefined && (this.host.linkOf(known)?.up === true || this.host.shuns(known))) return DONE
      return this.dial(endpoint, known ?? null, [endpoint], false, 0)
    })
    return Promise.all(waits).then(() => {})
  }

  /** A link has lost its connection: it is dialled until it is back or given up. */
  lost(link: Link): void {
    const wait = link.dialled ? 0 : ACCEPTOR_WAITS
    void this.dial(link.node, link.node, link.info.endpoints, true, wait)
  }

  /** Nobody wants this node any more. */
  forget(node: string): void {
    const dial = this.dials.get(node)
    if (dial !== undefined) this.endDial(dial)
  }

  get dialling(): number {
    return this.dials.size
  }

  async close(): Promise<void> {
    this.closed = true
    for (const dial of [...this.dials.values()]) this.endDial(dial)
    await Promise.all(this.listeners.map(listener => listener.close()))
  }

  // Accepting

  private answer(peer: PeerHello | null): Hello {
    if (peer === null) return toHello(this.introduction(null, randomToken(), null, false))
    if (!isNode(peer))
      return { socketType: this.host.partnerOf(peer), routingId: Buffer.alloc(0), metadata: NO_METADATA }
    const info = readIntroduction(peer, this.host.self.fabric)
    if (this.closed) throw new HeddleError("ECONNABORTED", "This node is leaving")
    if (this.isBusyWith(info)) {
      return toHello(this.introduction(null, randomToken(), null, true))
    }
    const link = this.host.linkFor(info, randomToken())
    if (link === null)
      throw new HeddleError("EMFILE", "This node has as many peers as it takes (maxPeers)", { fatal: true })
    // What we say that we have heard must stay true: nothing more comes by the old connection.
    link.dropConnection()
    for (const dial of this.dialsTo(info)) this.endDial(dial)
    this.taken.add(info.node)
    // The peer may vanish between our answer and the end of the handshake.
    const { connections } = link
    setTimeout(() => {
      this.taken.delete(info.node)
      if (link.connections === connections && !link.ended && !this.closed) this.host.abandoned(link)
    }, ABANDONED).unref()
    return toHello(this.introduction(link, link.stream, null, false))
  }

  /** Does another connection with this peer have precedence? */
  private isBusyWith(info: Introduction): boolean {
    const { node } = this.host.self
    if (info.node === node) return true
    // It dials one that listened here before: what it says of a link is not of ours, and ours may be up.
    if (info.to !== "" && info.to !== node) return true
    const link = this.host.linkOf(info.node)
    // It did not know whom it would find, and cannot go on where the link stood.
    if (link !== undefined && info.blind) return true
    // Its dial began before another connection came: what it says it has heard is no longer true.
    if (link?.isStale(info) === true) return true
    if (link?.up === true) {
      // Whoever dialled the connection knows first when it is gone.
      if (!link.dialled) return false
      return info.heard === null || info.heard.stream !== link.stream
    }
    const now = performance.now()
    const dialling = this.dialsTo(info).some(dial => dial.abort !== null && now - dial.startedAt <= STALE_DIAL)
    // Both dial: the connection of the lower id stays.
    return dialling && node < info.node
  }

  /** Ours that will reach this node, also those that only know an address of it. */
  private dialsTo(info: Introduction): Dial[] {
    const dials: Dial[] = []
    for (const key of [info.node, ...info.endpoints]) {
      const dial = this.dials.get(key)
      if (dial !== undefined) dials.push(dial)
    }
    return dials
  }

  private accepted(connection: Connection): void {
    if (this.closed) {
      connection.close()
      return
    }
    if (!isNode(connection.peer)) {
      this.host.foreign(connection)
      return
    }
    const info = readIntroduction(connection.peer, this.host.self.fabric)
    const link = this.host.linkOf(info.node)
    if (!this.taken.delete(info.node) || link === undefined) {
      // It has read our answer, and ends the connection itself; `end` lets it.
      connection.start({ message: () => {}, controlReceived: () => {}, drain: () => {}, closed: () => {} })
      connection.end()
      return
    }
    this.linkedAt = performance.now()
    this.host.connected(link, connection, info, false)
  }

  // Dialling

  private dial(
    key: string,
    node: string | null,
    endpoints: readonly string[],
    persistent: boolean,
    wait: number,
    awaited = wait === 0,
  ): Promise<void> {
    const before = this.dials.get(key)
    if (before !== undefined) {
      before.endpoints = endpoints
      if (wait > 0 || !before.leaves) return DONE
      // Now it is known that the peer leaves the dial to us as well.
      this.endDial(before)
    }
    if (this.dials.size >= MAX_DIALS || this.closed) return DONE
    return new Promise(resolve => {
      const dial: Dial = {
        key,
        node,
        endpoints,
        failures: 0,
        timer: undefined,
        abort: null,
        startedAt: 0,
        persistent,
        leaves: wait >= COURTESY,
        tried: resolve,
      }
      this.dials.set(key, dial)
      if (wait === 0) this.attempt(dial)
      else {
        // Nobody waits for a dial that the other side is expected to make.
        if (!awaited) this.tried(dial)
        if (dial.leaves) this.leave(dial, wait, performance.now() + MOST_COURTESY)
        else this.later(dial, wait)
      }
    })
  }

  private later(dial: Dial, wait: number, then = (): void => this.attempt(dial)): void {
    // Behind what has arrived meanwhile: it may be the peer's own dial.
    const go = (): void => {
      if (this.dials.get(dial.key) === dial) then()
    }
    dial.timer = setTimeout(() => setImmediate(go), wait)
    dial.timer.unref()
  }

  /** Leaves the dial to the peer for a while, and longer as long as others dial us, at most until `until`. */
  private leave(dial: Dial, wait: number, until: number): void {
    const { linkedAt } = this
    this.later(dial, wait, () => {
      if (this.linkedAt > linkedAt && performance.now() < until) this.leave(dial, wait, until)
      else this.attempt(dial)
    })
  }

  /** Begins to dial, when it is its turn. */
  private attempt(dial: Dial): void {
    this.queue.add(async () => {
      if (this.dials.get(dial.key) === dial) await this.try(dial)
    })
  }

  private async try(dial: Dial): Promise<void> {
    if (dial.node !== null && this.host.linkOf(dial.node)?.up === true) {
      this.endDial(dial)
      return
    }
    dial.startedAt = performance.now()
    dial.leaves = false
    let refusals = 0
    for (const endpoint of byNearness(dial.endpoints)) {
      const outcome = await this.tryEndpoint(dial, endpoint)
      if (this.dials.get(dial.key) !== dial) return
      if (outcome === "connected") {
        this.endDial(dial)
        return
      }
      if (outcome === "refused") refusals++
    }
    dial.abort = null
    this.tried(dial)
    const { node } = dial
    if (node !== null && (this.isProof(node, refusals, dial.endpoints.length) || this.isGone(node))) {
      this.endDial(dial)
      this.host.provenDead(node)
      return
    }
    const link = node === null ? undefined : this.host.linkOf(node)
    if (!dial.persistent && link === undefined && dial.failures >= GIVE_UP) {
      // Discovery will name it again if it is still there.
      this.endDial(dial)
      return
    }
    this.later(dial, pauseAfter(dial.failures++))
  }

  private async tryEndpoint(dial: Dial, address: string): Promise<"connected" | "refused" | "failed"> {
    const link = dial.node === null ? undefined : this.host.linkOf(dial.node)
    const connections = link?.connections ?? 0
    const stream = link?.stream ?? randomToken()
    const hello = toHello(this.introduction(link ?? null, stream, dial, false))
    const abort = new AbortController()
    dial.abort = abort
    let connection: Connection
    try {
      const endpoint = parseEndpoint(address)
      const transport = this.context.transportOf(endpoint.scheme, address)
      transport.check(endpoint, "dial", "PEER")
      connection = await transport.dial(
        endpoint,
        { options: this.options, adaptive: false, answer: () => hello, admit: () => {} },
        abort.signal,
      )
    } catch (error) {
      const failure = fromSystem(error, "connect to", address)
      // The file of a Unix socket has no listener: whoever made it is gone. A TCP port may be a forwarder's.
      if (address.startsWith("ipc://") && (failure.code === "ECONNREFUSED" || failure.code === "ENOENT"))
        return "refused"
      if (failure.fatal && !abort.signal.aborted) this.host.warn(failure)
      return "failed"
    }
    if (abort.signal.aborted || this.closed) {
      connection.close()
      return "failed"
    }
    return this.dialled(dial, connection, address, stream, link, connections)
  }

  private dialled(
    dial: Dial,
    connection: Connection,
    address: string,
    stream: string,
    before: Link | undefined,
    connections: number,
  ): "connected" | "failed" {
    let info: Introduction
    try {
      info = readIntroduction(connection.peer, this.host.self.fabric)
    } catch (error) {
      connection.close(error as Error)
      this.host.warn(error as HeddleError)
      return "failed"
    }
    this.remember(address, info.node)
    if (info.node === this.host.self.node) {
      connection.close()
      return "connected"
    }
    if (info.busy) {
      connection.close()
      // Its own connection with us is there or on its way; if it does not come, we try again.
      if (dial.node === null) {
        if (this.host.linkOf(info.node)?.up !== true) void this.dial(info.node, info.node, [address], true, FIRST_RETRY)
        return "connected"
      }
      // Another node listens there now.
      if (info.node !== dial.node) void this.found({ node: info.node, endpoints: [address] }, false)
      return "failed"
    }
    const known = this.host.linkOf(info.node)
    if (known !== undefined && (known !== before || known.connections !== connections)) {
      // Another connection came while we dialled: what we said of the link is no longer true.
      connection.close()
      return known.up ? "connected" : "failed"
    }
    const link = known ?? this.host.linkFor(info, stream)
    if (link === null) {
      connection.close()
      return "failed"
    }
    const other = this.dials.get(info.node)
    if (other !== undefined && other !== dial) this.endDial(other)
    this.linkedAt = performance.now()
    this.host.connected(link, connection, info, true)
    return "connected"
  }

  private endDial(dial: Dial): void {
    clearTimeout(dial.timer)
    if (this.dials.get(dial.key) === dial) this.dials.delete(dial.key)
    dial.abort?.abort()
    this.tried(dial)
  }

  private tried(dial: Dial): void {
    dial.tried?.()
    dial.tried = null
  }

  /** A file that nobody listens at says nothing of a node of another machine, which may have other addresses. */
  private isProof(node: string, refusals: number, tried: number): boolean {
    if (refusals === 0) return false
    return refusals === tried || this.host.linkOf(node)?.info.host === this.host.self.host
  }

  /** Its process was on this machine, and is not there any more. */
  private isGone(node: string): boolean {
    const info = this.host.linkOf(node)?.info
    if (info === undefined || info.host !== this.host.self.host || info.pid === 0) return false
    try {
      process.kill(info.pid, 0)
      return false
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ESRCH"
    }
  }

  private remember(address: string, node: string): void {
    if (this.aliases.size >= MAX_ALIASES) this.aliases.clear()
    this.aliases.set(address, node)
  }

  /** `dial`: null in an answer. */
  private introduction(link: Link | null, stream: string, dial: Dial | null, busy: boolean): Introduction {
    const [blind, to] = [dial?.node === null, dial?.node ?? ""]
    return { ...this.host.introduce(), stream, heard: link?.heard ?? null, blind, to, busy }
  }
}

const DONE = Promise.resolve()
const NO_METADATA: ReadonlyMap<string, Buffer> = new Map()
