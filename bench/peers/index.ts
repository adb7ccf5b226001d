import { HeddlePeer } from "./heddle.ts"
import { LibzmqPeer } from "./libzmq.ts"
import { NatsPeer } from "./nats.ts"
import type { Peer } from "./peer.ts"
import { RawPeer } from "./raw.ts"
import { ZeromqPeer } from "./zeromq.ts"

/** In the order of tables: Heddle, then from the floor upwards. */
export function allPeers(): Peer[] {
  return [new HeddlePeer(), new RawPeer(), new LibzmqPeer(), new ZeromqPeer(), new NatsPeer()]
}
