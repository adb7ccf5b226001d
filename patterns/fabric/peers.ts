import type { Codecs } from "../../core/codec.ts"
import type { Context } from "../../core/context.ts"
import type { Connection, PeerHello, SocketType } from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import { Breakers } from "./breakers.ts"
import type { Candidate, Discovery } from "./discovery/discovery.ts"
import type { FabricEvent } from "./events.ts"
import { Acknowledgements } from "./link/acknowledgements.ts"
import { type Introduction, VERSIONS } from "./link/hello.ts"
import { isAwaited, Link, type LinkOwner, NETWORK, SAME_HOST, SAME_PROCESS } from "./link/link.ts"
import { Membership } from "./membership.ts"
import { Mesh } from "./mesh.ts"
import type { FabricSettings, JoinOptions } from "./options.ts"
import { hostToken, processToken, reachable } from "./whereabouts.ts"

/** Milliseconds that a link may be away before the others are asked about its node; it takes a few to dial again. */
const BLINK = 200

/** Milliseconds that `join` waits for those who were found; who answers later joins later. */
const FIRST_LOOK = 5_000

/** What the node does about its links. */
export interface PeersHost
  extends Omit<LinkOwner, "connectionLost" | "ackLater" | "members" | "breach" | "overflowing"> {
  /** Bytes that it takes to tell a newcomer of all wishes. */
  readonly announced: number
  emit(event: FabricEvent): void
  /** A peer that was not known: it is told everything, by the first batch. */
  linkMade(link: Link): void
  /** The peer has forgotten what it told us, or we it: `freshIn` and `freshOut` say who begins anew. */
  linkUp(link: Link, freshIn: boolean, freshOut: boolean): void
  linkDown(link: Link): void
  /** The peer counts as dead, though its link may come back. */
  peerDead(link: Link): void
  /** The link is gone for good. */
  linkEnded(link: Link): void
  partnerOf(peer: PeerHello): SocketType
  foreign(connection: Connection): void
}

/** The other nodes: who there is, and the links to them. */
export class Peers {
  readonly links = new Map<string, Link>()
  readonly mesh: Mesh
  readonly membership: Membership
  /** Links of protocol breakers, or that could not be kept. */
  refused = 0
  private readonly host: PeersHost
  private readonly settings: FabricSettings
  private readonly self: {
    readonly node: string
    readonly name: string
    readonly fabric: string
    readonly host: string
  }
  private readonly codecs: Codecs
  private readonly windows = new Map<Link, NodeJS.Timeout>()
  private readonly joined = new Set<string>()
  /** Shared with the membership, and filled when the node listens. */
  private readonly endpoints: string[] = []
  private discovery: readonly Discovery[] = []
  private timer: NodeJS.Timeout | undefined
  private timerAt = Number.POSITIVE_INFINITY
  private readonly acks = new Acknowledgements()
  private readonly breakers = new Breakers()
  private early = true
  private inDirectory = false
  private closed = false
  private readonly firstDials: Promise<void>[] = []

  constructor(
    host: PeersHost,
    fabric: string,
    node: string,
    name: string,
    context: Context,
    settings: FabricSettings,
    codecs: Codecs,
    options: JoinOptions,
  ) {
    this.host = host
    this.settings = settings
    this.codecs = codecs
    this.self = { node, name, fabric, host: hostToken() }
    this.mesh = new Mesh(
      {
        self: this.self,
        introduce: () => this.introduce(),
        linkFor: (info, stream) => this.linkFor(info, stream),
        linkOf: id => this.links.get(id),
        shuns: id => this.breakers.shuns(id, performance.now()),
        connected: (link, connection, info, dialled) => this.connected(link, connection, info, dialled),
        abandoned: link => {
          if (link.connections === 0) this.end(link)
          else this.connectionLost(link, undefined)
        },
        partnerOf: peer => host.partnerOf(peer),
        foreign: connection => host.foreign(connection),
        provenDead: id => this.provenDead(id),
        warn: error => host.emit({ type: "warning", error }),
      },
      context,
      settings.links,
    )
    this.membership = new Membership(
      { node, name, endpoints: this.endpoints },
      {
        send: (id, notice) => this.links.get(id)?.sendMembers(JSON.stringify(notice)) ?? false,
        traffic: id => {
          const link = this.links.get(id)
          return link === undefined ? 0 : link.bytesIn + (link.connection?.bytesReceived ?? 0)
        },
        joined: () => {},
        suspected: id => this.tell("suspect", id),
        recovered: id => this.tell("recover", id),
        left: (id, why) => this.left(id, why),
        wanted: member => {
          const { node, endpoints } = member
          // A directory finds everybody on this machine by itself, and will say when it is for us to dial.
          const known = this.inDirectory && endpoints.some(one => one.startsWith("ipc://"))
          void this.mesh.found({ node, endpoints, ...(known && { older: false }) }, this.early)
        },
      },
      options.membership,
    )
  }

  /** Listens, looks around, and resolves when all who were found are linked or have not answered. */
  async start(
    listen: readonly string[],
    advertise: readonly string[] | undefined,
    discovery: readonly Discovery[],
  ): Promise<string[]> {
    const bound: string[] = []
    for (const address of listen) bound.push(await this.mesh.listen(address))
    this.endpoints.push(...(advertise ?? bound.flatMap(reachable)).slice(0, MAX_ENDPOINTS))
    this.discovery = discovery
    this.inDirectory = discovery.some(one => one.name === "directory")
    const { fabric, node, name } = this.self
    const announcement = { fabric, node, name, endpoints: this.endpoints }
    const host = {
      fabric,
      node,
      found: (candidate: Candidate): void => {
        const dialled = this.mesh.found(candidate, this.early)
        if (this.early) this.firstDials.push(dialled)
      },
      lost: (id: string): void => this.discoveryLost(id),
      linked: (id: string): boolean => this.links.get(id)?.up === true,
      warn: (error: HeddleError): void => this.host.emit({ type: "warning", error }),
    }
    this.schedule()
    await Promise.all(discovery.map(one => one.start(host, announcement)))
    let late: NodeJS.Timeout | undefined
    await Promise.race([
      this.settled(),
      new Promise<void>(resolve => {
        late = setTimeout(resolve, FIRST_LOOK)
      }),
    ])
    clearTimeout(late)
    this.early = false
    return bound
  }

  /** Nodes that are linked now. */
  up(): Link[] {
    return [...this.links.values()].filter(link => link.up)
  }

  /** Nodes that are linked, or whose link is broken and may go on where it stood. */
  awaited(): Link[] {
    return [...this.links.values()].filter(isAwaited)
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    // What was published before goes before the goodbye.
    for (const link of this.links.values()) {
      link.outgoing.flush()
      // They need not wonder whether we had what they sent.
      link.sendAck()
    }
    this.membership.leave()
    clearTimeout(this.timer)
    for (const timer of this.windows.values()) clearTimeout(timer)
    this.windows.clear()
    await Promise.all(this.discovery.map(one => one.stop()))
    // Behind the goodbye: a connection that ends in order has delivered it.
    for (const link of this.links.values()) link.connection?.end()
    await this.mesh.close()
    await this.allEnded()
    for (const link of [...this.links.values()]) this.end(link)
  }

  /** A record of membership has come. */
  members(link: Link, text: string): void {
    let notice: unknown
    try {
      notice = JSON.parse(text)
    } catch {
      notice = null
    }
    this.membership.receive(link.node, notice, performance.now())
    this.schedule()
  }

  connectionLost(link: Link, reason: Error | undefined): void {
    if (link.ended || this.closed) return
    const error = reason && fromSystem(reason, "link with", link.name)
    this.host.emit({ type: "down", peer: nameOf(link), ...(error && { error }) })
    this.host.linkDown(link)
    if (link.ended || link.leaving) {
      this.membership.linkDown(link.node, performance.now())
      this.schedule()
      this.end(link)
      return
    }
    this.openWindow(link)
    this.mesh.lost(link)
    setTimeout(() => this.stillDown(link), BLINK).unref()
  }

  /** A link that is back at once is nobody's concern: to ask all others about its node would be a storm. */
  private stillDown(link: Link): void {
    if (link.up || link.ended || this.closed) return
    this.membership.linkDown(link.node, performance.now())
    this.schedule()
  }

  /** The peer broke the protocol: it is cut off, and what it wanted is forgotten. */
  breach(link: Link, cause: HeddleError): void {
    this.refused++
    this.breakers.note(link.node, performance.now())
    const error = new HeddleError(
      "ERR_FABRIC",
      `The peer ${link.name} broke the protocol and was cut off: ${cause.message}`,
      {
        cause,
        address: link.connection?.peer.address ?? "",
        fatal: true,
      },
    )
    this.host.emit({ type: "warning", error })
    this.membership.linkDown(link.node, performance.now())
    this.end(link, error)
    this.schedule()
  }

  /**
   * The peer does not read, and wishes come and go: to keep what is said of them would take more memory than to tell everything anew.
   * As many wishes as there are now may be on the way to it, however many they are.
   */
  private overflowing(link: Link): void {
    // Whoever flushes may be in the middle of the links.
    setImmediate(() => {
      const { resumeControl } = this.settings
      const { control } = link.outgoing
      if (this.closed || link.ended || link.lapsed || control <= resumeControl + this.host.announced) return
      const error = new HeddleError(
        "ECONNRESET",
        `${link.name} does not read: ${control} bytes of control records wait for it (resume.control is ${resumeControl}); the link begins anew`,
        { address: link.connection?.peer.address ?? "" },
      )
      this.host.emit({ type: "warning", error })
      if (link.up) {
        link.dropConnection(error)
        this.connectionLost(link, error)
      }
      if (link.ended) return
      link.lapse()
      this.host.peerDead(link)
    })
  }

  private async settled(): Promise<void> {
    // Those who were found name others (gossip), who are dialled too.
    for (let done = 0; done < this.firstDials.length; ) {
      const count = this.firstDials.length
      await Promise.all(this.firstDials)
      done = count
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  private introduce(): Omit<Introduction, "stream" | "heard" | "blind" | "to" | "busy"> {
    const { fabric, node, name, host } = this.self
    return {
      versions: VERSIONS,
      fabric,
      node,
      name,
      incarnation: this.membership.incarnation,
      endpoints: this.endpoints,
      host,
      process: processToken,
      pid: process.pid,
      maxPayload: this.settings.maxPayload,
      carry: this.settings.carries,
    }
  }

  private linkFor(info: Introduction, stream: string): Link | null {
    const known = this.links.get(info.node)
    if (known !== undefined) return known
    if (this.closed || this.links.size >= this.settings.maxPeers) return null
    const distance = info.process === processToken ? SAME_PROCESS : info.host === this.self.host ? SAME_HOST : NETWORK
    const owner: LinkOwner = {
      published: (subject, codec, bytes, start, end) => this.host.published(subject, codec, bytes, start, end),
      lookAhead: (bytes, at, end) => this.host.lookAhead(bytes, at, end),
      record: (link, from, type, codec, body, apart) => this.host.record(link, from, type, codec, body, apart),
      members: (link, text) => this.members(link, text),
      connectionLost: (link, reason) => this.connectionLost(link, reason),
      breach: (link, error) => this.breach(link, error),
      roomAgain: link => this.host.roomAgain(link),
      dropped: (link, lane, waiting, reason) => this.host.dropped(link, lane, waiting, reason),
      overflowing: link => this.overflowing(link),
      ackLater: link => this.acks.later(link),
    }
    const link = new Link(
      owner,
      info,
      distance,
      this.codecs,
      this.settings.resumeBytes,
      this.settings.resumeControl,
      stream,
    )
    this.links.set(info.node, link)
    this.host.linkMade(link)
    return link
  }

  private connected(link: Link, connection: Connection, info: Introduction, dialled: boolean): void {
    const now = performance.now()
    clearTimeout(this.windows.get(link))
    this.windows.delete(link)
    const { freshIn, freshOut } = link.connect(connection, info, dialled)
    if (!this.membership.linkUp(info, info.incarnation, dialled, now)) {
      this.end(link)
      return
    }
    this.host.linkUp(link, freshIn, freshOut)
    if (!this.joined.has(link.node)) {
      this.joined.add(link.node)
      this.host.emit({ type: "join", peer: nameOf(link) })
    }
    this.host.emit({ type: "up", peer: nameOf(link) })
    link.begin(connection)
    this.host.roomAgain(link)
    this.schedule()
  }

  /** After its time the link no longer keeps messages, and later it is forgotten. */
  private openWindow(link: Link): void {
    const { resumeTime, remember } = this.settings
    clearTimeout(this.windows.get(link))
    const timer = setTimeout(() => {
      link.lapse()
      this.host.peerDead(link)
      const forget = setTimeout(() => this.end(link), remember)
      forget.unref()
      this.windows.set(link, forget)
    }, resumeTime)
    timer.unref()
    this.windows.set(link, timer)
  }

  private provenDead(node: string): void {
    this.membership.provenDead(node, performance.now())
    const link = this.links.get(node)
    if (link !== undefined && !link.up) {
      this.departed(link, "dead")
      this.end(link)
    }
    this.schedule()
  }

  private discoveryLost(node: string): void {
    const link = this.links.get(node)
    if (link === undefined) this.mesh.forget(node)
    else if (!link.up) this.provenDead(node)
  }

  private left(node: string, why: "left" | "dead"): void {
    const link = this.links.get(node)
    if (link === undefined) return
    if (why === "left") {
      // What it had sent before may still wait for its turn.
      link.incoming.whenRead(() => {
        this.departed(link, "left")
        this.end(link)
      })
    } else {
      // Nobody reaches it, and the system has not noticed: if it lives after all, it resumes over a new connection.
      if (link.up) {
        const silent = new HeddleError("ETIMEDOUT", `${link.name} has not answered for so long that it counts as dead`)
        link.dropConnection(silent)
        this.connectionLost(link, silent)
      }
      if (link.ended) return
      link.dead = true
      this.departed(link, "dead")
      this.host.peerDead(link)
    }
  }

  private departed(link: Link, why: "left" | "dead"): void {
    if (this.joined.delete(link.node)) this.host.emit({ type: "leave", peer: nameOf(link), why })
  }

  private end(link: Link, reason?: Error): void {
    if (link.ended) return
    clearTimeout(this.windows.get(link))
    this.windows.delete(link)
    this.mesh.forget(link.node)
    this.links.delete(link.node)
    const count = link.outgoing.missing(link.outgoing.acknowledgedPosition)
    link.end(reason)
    if (count > 0 && !this.closed) {
      this.host.emit({
        type: "drop",
        where: "sending",
        peer: nameOf(link),
        pattern: "",
        reason: "unacknowledged",
        count,
      })
    }
    this.departed(link, "dead")
    this.host.linkEnded(link)
  }

  private tell(type: "suspect" | "recover", node: string): void {
    const link = this.links.get(node)
    if (link !== undefined) this.host.emit({ type, peer: nameOf(link) })
  }

  private schedule(): void {
    if (this.closed) return
    const now = performance.now()
    const at = this.membership.nextTick(now)
    if (at >= this.timerAt) return
    clearTimeout(this.timer)
    this.timerAt = at
    if (at === Number.POSITIVE_INFINITY) return
    this.timer = setTimeout(
      () => {
        // Behind what has arrived: a process that is busy must not take those for silent whose answers it has not read.
        setImmediate(() => {
          this.timerAt = Number.POSITIVE_INFINITY
          if (this.closed) return
          this.membership.tick(performance.now())
          this.schedule()
        })
      },
      Math.max(0, at - now),
    )
    this.timer.unref()
  }

  /** Waits, within reason, for the peers to have read our goodbye. */
  private allEnded(): Promise<void> {
    const deadline = performance.now() + GOODBYE
    return new Promise(resolve => {
      const look = (): void => {
        if (this.up().length === 0 || performance.now() > deadline) resolve()
        else setTimeout(look, 5)
      }
      look()
    })
  }
}

/** Milliseconds that the goodbye may take. */
const GOODBYE = 1_000

/** As many as an introduction may name to those who only speak membership (membership/notice.ts). */
const MAX_ENDPOINTS = 8

export function nameOf(link: Link): { node: string; name: string } {
  return { node: link.node, name: link.name }
}
