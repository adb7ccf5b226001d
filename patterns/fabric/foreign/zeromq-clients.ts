import type { Codecs } from "../../../core/codec.ts"
import type { Connection, DropReason, Pattern, PeerHello, SocketType } from "../../../core/contract.ts"
import { fromSystem, HeddleError } from "../../../core/errors.ts"
import type { PipeOptions } from "../../../core/pipe.ts"
import type { FabricSettings } from "../options.ts"
import { ClientPipe, type ClientPipeOwner } from "./client-pipe.ts"
import type { ClientStats, ForeignClients } from "./clients.ts"
import { Complaints, type ComplaintsHost } from "./complaints.ts"
import { Followers } from "./followers.ts"
import { Payloads } from "./payloads.ts"
import { Publishers, type PublishersHost } from "./publishers.ts"
import { Pullers } from "./pullers.ts"
import type { RelayHost } from "./relay.ts"
import { Requesters, type RequestersHost } from "./requesters.ts"

/** Milliseconds that clients may take to read what is queued for them when the node leaves; as long as peers may. */
const GOODBYE = 1_000

export interface ZeromqClientsHost extends ComplaintsHost, RelayHost, RequestersHost {
  readonly settings: FabricSettings
  readonly codecs: Codecs
  readonly publishing: PublishersHost["publishing"] & RequestersHost["publishing"]
}

/** Plain ZeroMQ clients of one node: each is served by the part that its socket type is for. */
export class ZeromqClients implements ForeignClients, ClientPipeOwner {
  private readonly host: ZeromqClientsHost
  private readonly followers: Followers
  private readonly publishers: Publishers
  private readonly pullers: Pullers | null
  private readonly requesters: Requesters
  private readonly pipes = new Set<ClientPipe>()
  private readonly pipeOptions: PipeOptions
  private closing: Promise<void> | null = null
  private whenGone: () => void = () => {}

  /** Throws EINVAL for a codec that the fabric does not have. */
  constructor(host: ZeromqClientsHost) {
    this.host = host
    const { codec, pull, highWaterMark, maxSubscriptions } = host.settings.foreign
    const payloads = new Payloads(host.codecs, codec)
    const complaints = new Complaints(host)
    this.followers = new Followers(host, complaints, payloads, maxSubscriptions)
    this.pullers =
      pull === null ? null : new Pullers(host, complaints, payloads, pull.subject, pull.queue ?? "", highWaterMark)
    this.publishers = new Publishers(host, complaints, payloads)
    this.requesters = new Requesters(host, complaints, payloads)
    this.pipeOptions = { sendHighWaterMark: highWaterMark }
  }

  partnerOf(peer: PeerHello): SocketType {
    const { accept, maxClients } = this.host.settings.foreign
    const { socketType, address } = peer
    if (this.closing !== null) throw new HeddleError("ECONNABORTED", "This node is leaving", { address })
    if (!accept) throw refuse(peer, "this node takes nodes of its fabric only (foreign.accept)")
    const partner = PARTNERS[socketType]
    if (partner === undefined) throw refuse(peer, `beside nodes of its fabric, this node takes ${TYPES}`)
    if (partner === "PUSH" && this.pullers === null)
      throw refuse(peer, "this node has nothing for it; give join the option foreign.pull, { subject, queue }")
    if (this.pipes.size >= maxClients) {
      // Not fatal: it may come back when others have gone.
      throw new HeddleError("EMFILE", `This node has ${maxClients} ZeroMQ clients already (foreign.maxClients)`, {
        address,
      })
    }
    return partner
  }

  take(connection: Connection): void {
    if (this.closing !== null) {
      connection.close()
      return
    }
    const role = this.roleOf(connection.peer)
    const options = role === this.pullers ? PULL_OPTIONS : this.pipeOptions
    const pipe = new ClientPipe(role, options, this, connection)
    this.pipes.add(pipe)
    pipe.role.attach(pipe)
    pipe.attachConnection(connection)
    // It may have said at once what it is refused for.
    if (this.pipes.has(pipe)) this.host.emit({ type: "client:join", client: pipe.name })
  }

  stats(): ClientStats[] {
    return [...this.pipes].map(pipe => pipe.stats)
  }

  drain(): void {
    this.requesters.leaving = true
  }

  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  // From the pipes

  connectionClosed(pipe: ClientPipe, reason: Error | undefined): void {
    const { name } = pipe
    pipe.discard()
    this.pipes.delete(pipe)
    pipe.role.detach(pipe)
    const error = reason && fromSystem(reason, "ZeroMQ client", name.address)
    this.host.emit({ type: "client:leave", client: name, ...(error && { error }) })
    if (this.pipes.size === 0) this.whenGone()
  }

  finished(): void {
    // Its connection ends, and `connectionClosed` does the rest.
  }

  refused(pipe: ClientPipe, reason: Error): void {
    this.host.emit({ type: "warning", error: fromSystem(reason, "ZeroMQ client", pipe.name.address) })
  }

  dropped(pipe: ClientPipe, reason: DropReason, count: number): void {
    if (reason === "full") this.host.emitDrop("sending", null, "", "full", count, pipe.name)
  }

  private async end(): Promise<void> {
    if (this.pipes.size === 0) return
    const gone = new Promise<void>(resolve => {
      this.whenGone = resolve
    })
    const late = setTimeout(() => {
      for (const pipe of [...this.pipes]) {
        pipe.discard()
        pipe.close()
      }
    }, GOODBYE)
    for (const pipe of [...this.pipes]) pipe.finish()
    await gone
    clearTimeout(late)
  }

  private roleOf({ socketType }: PeerHello): Pattern {
    switch (PARTNERS[socketType]) {
      case "XPUB":
        return this.followers
      case "PUSH":
        return this.pullers as Pullers
      case "ROUTER":
        return this.requesters
      default:
        return this.publishers
    }
  }
}

/** Messages for PULL clients wait where any of them can take them: what waits for one alone is lost when it goes. */
const PULL_OPTIONS: PipeOptions = { sendHighWaterMark: 1 }

/** By the client's type, ours. */
const PARTNERS: Readonly<Partial<Record<SocketType, SocketType>>> = {
  SUB: "XPUB",
  XSUB: "XPUB",
  PUB: "SUB",
  XPUB: "SUB",
  PUSH: "PULL",
  PULL: "PUSH",
  REQ: "ROUTER",
  DEALER: "ROUTER",
}

const TYPES = Object.keys(PARTNERS).join(", ")

function refuse({ socketType, address }: PeerHello, why: string): HeddleError {
  return new HeddleError("ERR_PEER_INCOMPATIBLE", `A ${socketType} socket has no place here: ${why}`, {
    address,
    fatal: true,
  })
}
