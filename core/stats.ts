import type { DropReason } from "./contract.ts"
import type { SocketPipe } from "./pipe.ts"

export type DropCounts = Partial<Record<DropReason, number>>

export interface PeerStats {
  /** Endpoint of the peer; the endpoint that is being dialled while there is no connection. */
  address: string
  connected: boolean
  messagesSent: number
  messagesReceived: number
  /** With framing; 0 where messages do not travel as bytes. */
  bytesSent: number
  bytesReceived: number
  /** Messages that wait to be sent to this peer. */
  queued: number
  dropped: DropCounts
  /** Of a multicast sender: datagrams that were lost on the way and have come all the same. Absent elsewhere. */
  mended?: number
  /** Milliseconds that these were missed, all together: from when that was noticed until they came. */
  mendedTime?: number
}

/** Sums over all peers, those that left included, and the peers of now. */
export interface SocketStats extends Omit<PeerStats, "address" | "connected" | "mended" | "mendedTime"> {
  /** Messages that arrived and that nobody has received yet. */
  waiting: number
  peers: PeerStats[]
}

/** Keeps the sums of pipes that are gone. */
export class StatsLedger {
  private readonly gone: SocketStats = emptyStats()

  close(pipe: SocketPipe): void {
    addTo(this.gone, statsOf(pipe, ""))
    // What it had received may still be waiting for the user, and be dropped later: that counts here from now on.
    pipe.dropped = this.gone.dropped
  }

  report(pipes: Iterable<[SocketPipe, string]>, waiting: number): SocketStats {
    const total: SocketStats = { ...this.gone, dropped: { ...this.gone.dropped }, waiting, peers: [] }
    for (const [pipe, address] of pipes) {
      const peer = statsOf(pipe, address)
      addTo(total, peer)
      total.peers.push(peer)
    }
    return total
  }
}

function emptyStats(): SocketStats {
  return {
    messagesSent: 0,
    messagesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    queued: 0,
    dropped: {},
    waiting: 0,
    peers: [],
  }
}

function statsOf(pipe: SocketPipe, address: string): PeerStats {
  const { mended, mendedTime } = pipe
  return {
    ...(mended !== undefined && { mended }),
    ...(mendedTime !== undefined && { mendedTime }),
    address: pipe.peer?.address ?? address,
    connected: pipe.online,
    messagesSent: pipe.messagesSent,
    messagesReceived: pipe.messagesReceived,
    bytesSent: pipe.bytesSent,
    bytesReceived: pipe.bytesReceived,
    queued: pipe.queued,
    dropped: { ...pipe.dropped },
  }
}

function addTo(total: SocketStats, peer: PeerStats): void {
  total.messagesSent += peer.messagesSent
  total.messagesReceived += peer.messagesReceived
  total.bytesSent += peer.bytesSent
  total.bytesReceived += peer.bytesReceived
  total.queued += peer.queued
  countDrops(total.dropped, peer.dropped)
}

export function countDrops(total: DropCounts, more: DropCounts): void {
  for (const reason of Object.keys(more) as DropReason[]) total[reason] = (total[reason] ?? 0) + (more[reason] ?? 0)
}
