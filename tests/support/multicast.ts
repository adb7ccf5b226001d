import dgram from "node:dgram"
import { once } from "node:events"

/** A UDP port that was free a moment ago: the tests' beacons are nobody else's. */
export async function freeMulticastPort(): Promise<number> {
  const socket = dgram.createSocket("udp4").bind(0)
  await once(socket, "listening")
  const { port } = socket.address()
  await new Promise<void>(resolve => socket.close(resolve))
  return port
}
