import assert from "node:assert/strict"
import crypto from "node:crypto"
import dgram from "node:dgram"
import { once } from "node:events"
import os from "node:os"
import { decodeBeacon, encodeBeacon, KINDS, MAX_BEACON } from "../../../../patterns/fabric/discovery/beacon.ts"
import type { Announcement } from "../../../../patterns/fabric/discovery/discovery.ts"
import {
  type MulticastDiscovery,
  type MulticastOptions,
  multicast,
} from "../../../../patterns/fabric/discovery/multicast.ts"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { DiscoveryNode } from "../../../support/discovery-node.ts"
import { freeMulticastPort } from "../../../support/multicast.ts"
import { seeded } from "../../../support/random.ts"
import { pass, until } from "../../../support/wait.ts"

const GROUP = "239.255.77.77"
const SOMEWHERE = "tcp://127.0.0.1:7000"
const id = (): string => crypto.randomBytes(16).toString("base64url")

describe("Discovery by multicast", () => {
  closesAfterEach()

  let port: number
  beforeEach(async () => {
    port = await freeMulticastPort()
  })

  const join = async (options: MulticastOptions = {}, endpoint = SOMEWHERE): Promise<DiscoveryNode> =>
    new DiscoveryNode("shop", multicast({ port, interval: 50, ...options })).join(endpoint)

  const ignored = (node: DiscoveryNode): MulticastDiscovery["ignored"] => (node.source as MulticastDiscovery).ignored

  /** Sends to the group by loopback. */
  const voice = async (): Promise<(bytes: Buffer) => Promise<void>> => {
    const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1")
    await once(socket, "listening")
    socket.setMulticastInterface("127.0.0.1")
    later(() => new Promise<void>(resolve => socket.close(resolve)))
    return bytes =>
      new Promise((resolve, reject) => {
        socket.send(bytes, port, GROUP, error => (error === null ? resolve() : reject(error)))
      })
  }

  const say = (changes: Partial<Announcement> = {}): Announcement => ({
    fabric: "shop",
    node: id(),
    name: "voice",
    endpoints: ["tcp://127.0.0.1:9"],
    ...changes,
  })

  it("is answered when it comes, long before the next beacons", async () => {
    const one = await join({ interval: 1_000_000 })
    const two = await join({ interval: 1_000_000 })
    await until(() => two.has(one) && one.has(two))
  })

  it("completes wildcards by the address that the beacon came from", async () => {
    const one = await join()
    const two = await join({}, "tcp://0.0.0.0:7001")
    await until(() => one.candidates.some(candidate => candidate.node === two.node))
    assert.deepEqual(one.candidates[0].endpoints, ["tcp://127.0.0.1:7001"])
  })

  it("stays on loopback unless told otherwise, and takes nothing from elsewhere", async function () {
    const external = Object.values(os.networkInterfaces())
      .flatMap(addresses => addresses ?? [])
      .find(one => one.family === "IPv4" && !one.internal)
    if (external === undefined) this.skip()
    const here = [await join(), await join()]
    const there = [await join({ interface: external.address }), await join({ interface: external.address })]
    await until(() => here[0].has(here[1]) && here[1].has(here[0]))
    // Where the network carries no multicast, those outside find nobody; those on loopback never hear of them.
    await pass(200)
    for (const inside of here) {
      for (const outside of there) {
        assert.ok(!inside.candidates.some(one => one.node === outside.node))
        assert.ok(!outside.candidates.some(one => one.node === inside.node))
      }
    }
  })

  it("gives a node to the host again only now and then", async () => {
    const one = await join({ interval: 20 })
    const two = await join({ interval: 20 })
    await until(() => one.has(two))
    await pass(300)
    assert.equal(one.candidates.length, 1)
  })

  it("counts what it cannot use, and warns of malformed beacons once", async () => {
    const node = await join()
    const send = await voice()
    const whole = encodeBeacon(KINDS.here, say())
    const malformed = [
      whole.subarray(0, 10),
      whole.subarray(0, whole.length - 1),
      Buffer.concat([whole, Buffer.alloc(MAX_BEACON)]),
      Buffer.concat([whole.subarray(0, 7), Buffer.of(9), whole.subarray(8)]),
      Buffer.concat([whole.subarray(0, 8), Buffer.from("?".repeat(22)), whole.subarray(30)]),
      encodeBeacon(KINDS.here, say({ endpoints: ["nonsense"] })),
    ]
    for (const bytes of malformed) await send(bytes)
    await send(Buffer.from("ZRE\u0001"))
    await send(Buffer.alloc(0))
    await send(encodeBeacon(KINDS.here, say({ fabric: "bank" })))
    // A node that nobody knows says goodbye, and our own beacon comes back.
    await send(encodeBeacon(KINDS.goodbye, say()))
    await send(encodeBeacon(KINDS.goodbye, node.announcement))
    await until(() => ignored(node).fabric === 1)
    assert.deepEqual(ignored(node), {
      foreign: 2,
      malformed: malformed.length,
      fabric: 1,
      network: 0,
      unreachable: 0,
      limit: 0,
    })
    await pass(100)
    assert.deepEqual([node.candidates, node.losses], [[], []])
    assert.deepEqual(
      node.warnings.map(({ code }) => code),
      ["EPROTO"],
    )
  })

  it("hears a node again that goes on after a goodbye in its name", async () => {
    const node = await join({ interval: 50 })
    const send = await voice()
    const other = say()
    await send(encodeBeacon(KINDS.here, other))
    await until(() => node.candidates.length === 1)
    for (let times = 0; times < 3; times++) await send(encodeBeacon(KINDS.goodbye, other))
    await until(() => node.losses.length > 0)
    const moved = { ...other, endpoints: ["tcp://127.0.0.1:10"] }
    while (node.candidates.length === 1) {
      await send(encodeBeacon(KINDS.here, moved))
      await pass(10)
    }
    assert.deepEqual(node.candidates[1].endpoints, moved.endpoints)
    assert.deepEqual(node.losses, [other.node])
  })

  it("keeps no more nodes in mind than its limit, and forgets the silent", async () => {
    const node = await join({ limit: 2, interval: 20 })
    const send = await voice()
    for (let count = 0; count < 5; count++) await send(encodeBeacon(KINDS.here, say()))
    await until(() => ignored(node).limit === 3)
    assert.equal(node.candidates.length, 2)
    assert.deepEqual(
      node.warnings.map(({ code }) => code),
      ["EMFILE"],
    )
    const late = say()
    while (!node.candidates.some(one => one.node === late.node)) {
      await send(encodeBeacon(KINDS.here, late))
      await pass(10)
    }
    assert.deepEqual(node.losses, [])
  })

  it("survives garbage of every kind", () =>
    seeded(async random => {
      const node = await join()
      const send = await voice()
      const whole = encodeBeacon(KINDS.here, say({ node: "A".repeat(22) }))
      for (let count = 0; count < 500; count++) {
        const bytes = random.chance(0.3) ? random.bytes(random.int(0, 1_400)) : Buffer.from(whole)
        for (let flips = random.int(0, 4); flips > 0 && bytes.length > 0; flips--) {
          bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
        }
        await send(random.chance(0.3) ? bytes.subarray(0, random.int(0, bytes.length)) : bytes)
      }
      const other = await join()
      await until(() => node.has(other))
      assert.ok(node.warnings.length <= 1)
      for (const { endpoints } of node.candidates) assert.ok(endpoints.every(one => one.includes("://")))
    }))

  it("decodes any bytes without throwing", () =>
    seeded(random => {
      const whole = encodeBeacon(KINDS.whoIsThere, say())
      for (let count = 0; count < 5_000; count++) {
        const bytes = Buffer.from(whole.subarray(0, random.int(0, whole.length)))
        if (bytes.length > 0) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
        decodeBeacon(bytes)
      }
      const beacon = decodeBeacon(whole)
      assert.ok(typeof beacon === "object")
      assert.equal(beacon.kind, KINDS.whoIsThere)
    }))

  it("refuses an announcement that does not fit into a beacon", async () => {
    const node = new DiscoveryNode("shop", multicast({ port }))
    node.endpoints = Array.from({ length: 16 }, (_, at) => `tcp://${"host".repeat(20)}:${at + 1}`)
    await assert.rejects(node.start(), { code: "EMSGSIZE" })
    // It can be used for something smaller.
    await node.join(SOMEWHERE)
  })

  it("refuses an interface that is not there, and a port that somebody keeps for himself", async () => {
    for (const wrong of ["nope0", "203.0.113.9"]) {
      await assert.rejects(join({ interface: wrong }), { code: "EADDRNOTAVAIL" })
    }
    const selfish = dgram.createSocket("udp4").bind(port)
    await once(selfish, "listening")
    later(() => new Promise<void>(resolve => selfish.close(resolve)))
    await assert.rejects(join(), { code: "EADDRINUSE" })
  })

  it("takes the name of an interface", async () => {
    const loopback = Object.entries(os.networkInterfaces()).find(([, all]) =>
      all?.some(one => one.address === "127.0.0.1"),
    )
    assert.ok(loopback !== undefined)
    const one = await join()
    const two = await join({ interface: loopback[0] })
    await until(() => one.has(two))
  })

  it("refuses options that make no sense", () => {
    for (const group of ["10.0.0.1", "ff02::1", "shop", "240.0.0.1"]) {
      assert.throws(() => multicast({ group }), { code: "EINVAL" })
    }
    for (const wrong of [{ port: 0 }, { ttl: 0 }, { ttl: 256 }, { interval: 1 }, { limit: 0 }]) {
      assert.throws(() => multicast(wrong), { code: "EINVAL" })
    }
  })
})
