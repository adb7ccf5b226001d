import { HeddlePeer } from "./heddle.ts"
import { KafkaPeer } from "./kafka.ts"
import { LibzmqPeer } from "./libzmq.ts"
import { NatsPeer } from "./nats.ts"
import type { Peer } from "./peer.ts"
import { RawPeer } from "./raw.ts"
import { ServicePeer } from "./service.ts"
import { ZeromqPeer } from "./zeromq.ts"

/** In the order of tables: Heddle, then from the floor upwards, then those that are no messaging. */
export function allPeers(): Peer[] {
  const messaging = [new HeddlePeer(), new RawPeer(), new LibzmqPeer(), new ZeromqPeer(), new NatsPeer()]
  return [
    ...messaging,
    ...["http1", "http2", "grpc", "ws", "uws"].map(family => new ServicePeer(family)),
    new KafkaPeer(),
  ]
}
