import { newSessionId, packetSession } from "../../../transports/multicast/engine.ts"
import { putU32, putU48, sessionKey, u48, writeReport } from "../../../transports/multicast/wire.ts"
import type { SimulatedHost } from "../../../transports/simulated/host.ts"
import type { SimulatedNetwork } from "../../../transports/simulated/network.ts"
import type { SeededRandom } from "../../../transports/simulated/random.ts"
import { GROUP, GROUP_PORT } from "./group-processes.ts"
import type { AttackKind } from "./scenarios.ts"

/** Packets that an attacker remembers. */
const REMEMBERED = 16

/** A host in the group that sends what nobody should: nothing of it may break what the others do. */
export class Attacker {
  private readonly host: SimulatedHost
  private readonly random: SeededRandom
  private readonly victims: readonly SimulatedHost[]
  private readonly heard: Buffer[] = []
  /** Where senders send from. */
  private readonly sources = new Map<string, { host: string; port: number }>()

  /** `victims`: hosts of senders. */
  constructor(network: SimulatedNetwork, random: SeededRandom, victims: readonly SimulatedHost[]) {
    this.host = network.host("attacker")
    this.random = random
    this.victims = victims
    const ear = this.host.bind({
      family: 4,
      host: GROUP,
      port: GROUP_PORT,
      shared: true,
      group: GROUP,
      interface: undefined,
      hops: 1,
      loopback: false,
      sendBuffer: -1,
      receiveBuffer: -1,
      service: 0,
      device: null,
    })
    ear.start({
      datagram: (bytes, host, port) => this.hear(bytes, host, port),
      unsent: () => {},
      drained: () => {},
      failed: () => {},
    })
  }

  attack(kind: AttackKind): void {
    const { random } = this
    const packet = this.heard.length === 0 ? null : Buffer.from(random.pick(this.heard))
    if (kind === "garbage" || packet === null) this.garbage(packet)
    else if (kind === "spoof") this.spoof(packet)
    else if (kind === "lies") this.lie(packet)
    else if (kind === "sessions") {
      packet.set(
        Buffer.from(
          newSessionId(() => random.next()),
          "hex",
        ),
        8,
      )
      this.send(packet)
    } else this.nak(packet)
  }

  private hear(bytes: Buffer, host: string, port: number): void {
    if (this.victims.some(({ address }) => address === host)) {
      this.sources.set(host, { host, port })
      this.heard.push(Buffer.from(bytes))
      if (this.heard.length > REMEMBERED) this.heard.shift()
    }
  }

  /** Noise, or a packet with wrong bytes in it, or a part of one. */
  private garbage(packet: Buffer | null): void {
    const { random } = this
    let bytes: Buffer
    if (packet === null || random.chance(0.3)) {
      bytes = Buffer.from(Array.from({ length: random.int(0, 100) }, () => random.int(0, 255)))
      if (bytes.length > 4 && random.chance(0.5)) bytes.set([0x48, 0x4d, 1, random.int(0, 5)])
    } else {
      bytes = packet.subarray(0, random.chance(0.5) ? packet.length : random.int(0, packet.length))
      for (let i = random.int(1, 4); i > 0 && bytes.length > 0; i--) {
        bytes[random.int(0, Math.min(60, bytes.length - 1))] = random.int(0, 255)
      }
    }
    this.send(bytes)
    for (const to of this.sources.values()) this.send(bytes, to)
  }

  /** A packet of a real session, from elsewhere, with another sequence, trail or number of messages. */
  private spoof(packet: Buffer): void {
    const { random } = this
    for (const at of [16, 24, 32]) {
      if (random.chance(0.5)) putU48(packet, at, Math.max(0, u48(packet, at) + this.jump()))
    }
    this.send(packet)
  }

  /** In the name of its sender: other bytes anywhere, the header included, in a packet that the receivers may wait for. */
  private lie(packet: Buffer): void {
    const { random } = this
    const from = random.pick([...this.sources.values()])
    if (random.chance(0.7)) putU48(packet, 16, u48(packet, 16) + random.int(0, 5))
    for (let i = random.int(0, 3); i > 0; i--) packet[random.int(0, packet.length - 1)] = random.int(0, 255)
    if (random.chance(0.2)) putU48(packet, random.pick([16, 24, 32]), random.int(0, 2 ** 48 - 1))
    this.host.forge(packet, from, { host: GROUP, port: GROUP_PORT })
  }

  /** For what was sent and what was not, in the name of a receiver that there is not. */
  private nak(packet: Buffer): void {
    const { random } = this
    const id = packetSession(packet)
    if (id === null) return
    const last = u48(packet, 16)
    const ranges: number[] = []
    for (let i = random.int(1, 20), at = Math.max(1, last - random.int(0, 100)); i > 0; i--) {
      const count = random.pick([1, 1, 5])
      ranges.push(at, count)
      at += count + random.int(0, 5)
    }
    if (random.chance(0.1)) ranges[random.int(0, ranges.length - 1)] = random.pick([0, 65_535])
    const position = Math.max(1, last + random.int(-1_000, 0))
    const report = {
      receiver: random.int(0, random.pick([3, 2 ** 30])),
      position,
      received: position + random.int(0, 10),
      window: random.pick([0, 65_536, 2 ** 31]),
      heard: random.int(0, 65_535),
      leaves: random.chance(0.05),
      parity: random.chance(0.5),
    }
    const bytes = writeReport(sessionKey(id), report, random.chance(0.8) ? ranges : [])
    if (random.chance(0.1)) putU32(bytes, 42, random.int(0, 2 ** 31))
    this.send(bytes)
    for (const to of this.sources.values()) this.send(bytes, to)
  }

  private jump(): number {
    const { random } = this
    return random.pick([-1, 1]) * random.pick([1, 100, 2 ** 20, 2 ** 46]) * random.int(0, 3)
  }

  private send(bytes: Buffer, to: { host: string; port: number } = { host: GROUP, port: GROUP_PORT }): void {
    this.host.forge(bytes, { host: this.host.address, port: 666 }, to)
  }
}
