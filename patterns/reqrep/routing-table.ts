import type { Pipe } from "../../core/contract.ts"
import type { Outbox } from "../../core/outbox.ts"

/** A pipe under one routing id. */
export interface RouterPeer {
  readonly pipe: Pipe
  /** First frame of what the peer sends, for the user; empty while it has none. */
  readonly id: Buffer
  /** It came to us through `bind`. */
  readonly accepted: boolean
  /** Sends to it, and those that wait for room. */
  readonly outbox: Outbox
  /** Messages to `id` go to it. */
  routed: boolean
  online: boolean
}

/** Routing ids to peers. */
export class RoutingTable {
  private readonly byName = new Map<string, RouterPeer>()
  /** Our own buffer objects: whoever answers passes back the id he got, and then no bytes need be hashed. */
  private readonly byFrame = new Map<Buffer, RouterPeer>()
  /** Ids that we make up count from anywhere, so that a restarted Router does not answer to the ids of the last one. */
  private lastGenerated: number

  constructor(lastGenerated = Math.floor(Math.random() * 2 ** 32)) {
    this.lastGenerated = lastGenerated
  }

  find(id: Buffer): RouterPeer | undefined {
    return this.byFrame.get(id) ?? this.byName.get(nameOf(id))
  }

  values(): IterableIterator<RouterPeer> {
    return this.byName.values()
  }

  /** Its id must be free. */
  add(peer: RouterPeer): void {
    peer.routed = true
    this.byName.set(nameOf(peer.id), peer)
    this.byFrame.set(peer.id, peer)
  }

  delete(peer: RouterPeer): void {
    if (!peer.routed) return
    peer.routed = false
    this.byName.delete(nameOf(peer.id))
    this.byFrame.delete(peer.id)
  }

  /** ROUTER-3: 5 octets, the first of them 0, which no peer can announce (RFC 28). */
  generate(): Buffer {
    const id = Buffer.alloc(5)
    do {
      this.lastGenerated = (this.lastGenerated + 1) >>> 0
      id.writeUInt32BE(this.lastGenerated, 1)
    } while (this.byName.has(nameOf(id)))
    return id
  }
}

export function isGenerated(id: Buffer): boolean {
  return id.length > 0 && id[0] === 0
}

function nameOf(id: Buffer): string {
  return id.toString("latin1")
}
