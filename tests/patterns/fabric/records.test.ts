import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import type { Fabric, HeddleError, JoinOptions } from "../../../index.ts"
import { join } from "../../../index.ts"
import { frame } from "../../support/bytes.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { LONG_RUN, type Random, seeded } from "../../support/random.ts"
import { until } from "../../support/wait.ts"
import { interest, record, sized, varint, WirePeer } from "../../support/wire-peer.ts"

const PUBLISH = 0
const PUBLISH_MORE = 1
const REQUEST = 2
const REPLY = 3
const TASK = 4
const TASK_RESULT = 5
const CANCEL = 6
const CREDIT = 7
const DONE = 8
const SUBJECT = 9
const STRUCTURES = 10
const INTEREST = 11
const NO_INTEREST = 12
const NOTICE = 13
const ACK = 0
const MEMBERS = 1

const JSON_CODEC = 2
const HUGE = 2 ** 53 - 1

/** Peers by hand answer no probes. */
const PATIENT = { period: 1_000_000, probeTimeout: 500_000 }

/** More than 2**53 - 1. */
const ENDLESS = Buffer.alloc(12, 0xff)

describe("Records of a peer that lies", () => {
  closesAfterEach()

  interface Scene {
    node: Fabric
    liar: WirePeer
    honest: WirePeer
    warnings: HeddleError[]
    /** Resolves when the honest peer has got one more message of the node and the other way round. */
    goOn(): Promise<void>
  }

  const scene = async (options: JoinOptions = {}): Promise<Scene> => {
    const node = using(
      await join("shop", {
        name: "victim",
        listen: "tcp://127.0.0.1:0",
        discovery: [],
        timeout: 50,
        membership: PATIENT,
        ...options,
      }),
    )
    const warnings: HeddleError[] = []
    node.events.on("warning", ({ error }) => void warnings.push(error))
    node.events.on("error", () => {})
    node.subscribe("open.>", message => void message.data)
    node.serve("service", () => null)
    node.work("jobs", () => {})
    const honest = await WirePeer.connect(node.endpoints[0], { name: "honest" })
    using(honest.raw)
    let count = 0
    const arrived: number[] = []
    node.subscribe("honest", message => void arrived.push(message.data as number))
    await honest.send([interest(1, 0, "to.honest"), record(SUBJECT, 0, varint(0), "honest")])
    await node.ready({ subject: "to.honest" })
    const goOn = async (): Promise<void> => {
      count++
      await honest.send([record(PUBLISH, JSON_CODEC, varint(0), String(count))])
      node.publish("to.honest", count)
      await honest.next(PUBLISH, PUBLISH_MORE)
      await until(() => arrived.at(-1) === count)
    }
    const liar = await WirePeer.connect(node.endpoints[0], { name: "liar" })
    using(liar.raw)
    await goOn()
    return { node, liar, honest, warnings, goOn }
  }

  /** Numbered batches for which the liar is cut off. */
  const BREACHES: Record<string, Buffer[]> = {
    "a record longer than its batch": [Buffer.concat([varint(100), Buffer.from([PUBLISH])])],
    "a record of no bytes": [varint(0)],
    "a length without end": [ENDLESS],
    "a length of petabytes": [varint(HUGE)],
    "half a length": [Buffer.from([0x80])],
    "a message to a subject without name": [record(PUBLISH, JSON_CODEC, varint(7), "1")],
    "a message to half a subject": [record(PUBLISH, 0, 0x80)],
    "a message that is only a head": [record(PUBLISH, 0)],
    "a subject number beyond all": [record(SUBJECT, 0, varint(8192), "a")],
    "a subject number of petabytes": [record(SUBJECT, 0, varint(HUGE), "a")],
    "an invalid subject": [record(SUBJECT, 0, varint(0), "a..b")],
    "a subject with a wildcard": [record(SUBJECT, 0, varint(0), "a.*")],
    "an endless subject": [record(SUBJECT, 0, varint(0), "a".repeat(20_000))],
    "an empty subject": [record(SUBJECT, 0, varint(0))],
    "structures that are none": [record(STRUCTURES, 0, Buffer.alloc(50, 0xfe))],
    "more targets than bytes": [record(PUBLISH_MORE, 0, 1 | 4, varint(HUGE), sized("open.a"))],
    "an invalid subject for one": [record(PUBLISH_MORE, 0, 1 | 4 | 8 | 128, varint(1), varint(1), sized("a..b"))],
    "half a subject for one": [record(PUBLISH_MORE, 0, 1 | 4 | 8 | 128, varint(1), varint(1), varint(6), "a.b")],
    "no subject for one": [record(PUBLISH_MORE, 0, 1 | 4 | 8 | 128, varint(1), varint(1))],
    "half a number for one": [record(PUBLISH_MORE, 0, 1 | 4 | 8 | 128, varint(1), 0x80)],
    "headers longer than the record": [record(PUBLISH_MORE, 0, 1 | 2, sized("open.a"), varint(1_000), "x")],
    "a payload that does not come": [record(PUBLISH_MORE, 0, 1 | 16, sized("open.a"))],
    "an interest twice": [interest(1, 0, "a"), interest(1, 0, "b")],
    "an interest of an unknown kind": [interest(1, 9, "a")],
    "an interest with an unknown policy": [record(INTEREST, 0, 0, 99, Buffer.alloc(6, 1), sized("a"), sized(""))],
    "an interest in an invalid pattern": [interest(1, 0, "a.>.b")],
    "an interest with an invalid queue group": [interest(1, 1, "a", "no good")],
    "an interest that ends too soon": [record(INTEREST, 0, 0, 0, varint(1))],
    "a request without end": [record(REQUEST, 0, 1, varint(1))],
    "a request with an invalid subject": [
      record(REQUEST, 0, 1, varint(1), varint(1), varint(1), varint(1), sized("a b")),
    ],
    "a reply without a number": [record(REPLY, 0, 0)],
    "a task without end": [record(TASK, 0, 1)],
    "a result without end": [record(TASK_RESULT, 0, 0, varint(1))],
    "an empty notice": [record(NOTICE, 0)],
    "a gap without numbers": [record(NOTICE, 0, varint(0))],
    "a cancel without a number": [record(CANCEL, 0)],
    "a credit without a number": [record(CREDIT, 0, varint(1))],
    "an end of a wish without a number": [record(NO_INTEREST, 0)],
  }
  for (const [name, records] of Object.entries(BREACHES)) {
    it(`is cut off for ${name}, with a warning; others go on`, async () => {
      const { node, liar, warnings, goOn } = await scene()
      await liar.send(records)
      await liar.raw.gone
      await until(() => warnings.length > 0)
      assert.equal(warnings[0].code, "ERR_FABRIC")
      assert.match(warnings[0].message, /^The peer liar broke the protocol and was cut off: The peer /)
      await goOn()
      assert.deepEqual(
        node.peers.map(peer => peer.name),
        ["honest"],
      )
    })
  }

  it("and listens is dialled again only after a pause", async () => {
    const { node, warnings } = await scene({ membership: { period: 50, probeTimeout: 25 } })
    const dials: number[] = []
    const server = net.createServer(socket => {
      dials.push(performance.now())
      socket.destroy()
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    later(() => void server.close())
    const { port } = server.address() as net.AddressInfo
    const endpoints = [`tcp://127.0.0.1:${port}`]
    const liar = await WirePeer.connect(node.endpoints[0], { name: "breaker", endpoints })
    using(liar.raw)
    await liar.send([varint(0)])
    await until(() => warnings.some(({ message }) => message.includes("breaker")))
    const breach = performance.now()
    // Membership wants it in each of its periods.
    await until(() => dials.length > 0)
    // A second, less what the clocks of timers may differ by.
    assert.ok(dials[0] - breach > 900, `${dials[0] - breach}`)
  })

  const UNNUMBERED: Record<string, Buffer[]> = {
    "an acknowledgement of what was never sent": [record(ACK, 0, varint(1_000))],
    "an acknowledgement of petabytes": [record(ACK, 0, varint(HUGE))],
    "an acknowledgement without a number": [record(ACK, 0)],
    "a note longer than its batch": [Buffer.concat([varint(9), Buffer.from([ACK])])],
    "a note of no bytes": [varint(0)],
  }
  for (const [name, records] of Object.entries(UNNUMBERED)) {
    it(`is cut off for ${name}`, async () => {
      const { liar, warnings, goOn } = await scene()
      await liar.sendUnnumbered(records)
      await liar.raw.gone
      await until(() => warnings.length > 0)
      await goOn()
    })
  }

  for (const [name, bytes] of Object.entries({
    "no bytes": frame(0, ""),
    "an unknown kind": frame(0, Buffer.from([2, 1, 0])),
    "three frames": Buffer.concat([frame(1, Buffer.from([1])), frame(1, "a"), frame(0, "b")]),
  })) {
    it(`is cut off for a batch of ${name}`, async () => {
      const { liar, warnings, goOn } = await scene()
      await liar.raw.write(bytes)
      await liar.raw.gone
      await until(() => warnings.length > 0)
      await goOn()
    })
  }

  it("is cut off for a frame larger than any payload, before it has come", async () => {
    const { liar, warnings, goOn } = await scene({ maxPayload: 10_000 })
    const before = process.memoryUsage().arrayBuffers
    await liar.raw.write(frame(0, "", { long: true, size: 2n ** 40n }))
    await liar.raw.gone
    assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000)
    await goOn()
    void warnings
  })

  /** What is nonsense, but harmless: nothing happens. */
  const HARMLESS: Record<string, Buffer[]> = {
    "a reply to no request": [record(REPLY, JSON_CODEC, 0, varint(77), "1")],
    "a stream that ends and never began": [record(REPLY, 5, 4, varint(HUGE))],
    "the result of no task": [record(TASK_RESULT, 5, 0, varint(77), varint(HUGE))],
    "the cancelling of no request": [record(CANCEL, 0, varint(77))],
    "credit for no request": [record(CREDIT, 0, varint(77), varint(HUGE))],
    "more done than was given": [
      record(DONE, 0, varint(77), varint(HUGE)),
      interest(1, 1, "q", "g"),
      record(DONE, 0, varint(1), varint(HUGE)),
    ],
    "the end of no wish": [record(NO_INTEREST, 0, varint(77))],
    "the answer to no question": [record(NOTICE, 0, varint(2), varint(77))],
    "the pause of no subscription": [
      record(NOTICE, 0, varint(4), varint(77)),
      record(NOTICE, 0, varint(5), varint(77)),
    ],
    "drops of no subscription": [record(NOTICE, 0, varint(7), varint(77), varint(HUGE))],
    "targets that are none": [
      record(PUBLISH_MORE, JSON_CODEC, 1 | 4, varint(2), varint(77), varint(HUGE), sized("open.a"), "1"),
    ],
    "plain targets that are none": [
      record(PUBLISH_MORE, JSON_CODEC, 1 | 4 | 8 | 128, varint(1), varint(HUGE), sized("open.a"), "1"),
      record(PUBLISH_MORE, JSON_CODEC, 1 | 4 | 8 | 128, varint(1), varint(2 ** 28), sized("open.a"), "1"),
      record(PUBLISH_MORE, JSON_CODEC, 1 | 4 | 8 | 128, varint(0), sized("open.a"), "1"),
      record(PUBLISH_MORE, JSON_CODEC, 1 | 4 | 8 | 128, varint(2), varint(77), varint(78), sized("open.a"), "1"),
    ],
    "targets that are services and workers": [],
    "a request to nobody": [
      record(REQUEST, JSON_CODEC, 1, varint(1), varint(HUGE), varint(HUGE), varint(HUGE), sized("open.a"), "1"),
    ],
    "a task for nobody": [record(TASK, JSON_CODEC, 1, varint(1), varint(HUGE), varint(1), sized("open.a"), "1")],
    "a payload that cannot be read": [record(PUBLISH_MORE, 4, 1, sized("open.a"), Buffer.alloc(9, 0xc1))],
    "a payload of an unknown codec": [record(PUBLISH_MORE, 9, 1, sized("open.a"), "1")],
    "a payload of a codec without a name": [record(PUBLISH_MORE, 15, 1, sized("open.a"), sized("nobody's"), "1")],
    "headers that are none": [
      record(PUBLISH_MORE, JSON_CODEC, 1 | 2, sized("open.a"), sized(Buffer.alloc(9, 0xff)), "1"),
    ],
    "records of unknown types": [record(14, 15, "x"), record(15, 15, "x".repeat(1_000))],
    "a notice of an unknown kind": [record(NOTICE, 0, varint(1_000), "x")],
    "the name of a subject again": [record(SUBJECT, 0, varint(0), "open.a"), record(SUBJECT, 0, varint(0), "open.b")],
  }
  it("may say what makes no sense, if it says it properly", async () => {
    const { node, liar, warnings, goOn } = await scene()
    // Wishes count from 1 in a process: the first hundreds are sure to name services and workers of somebody.
    const others = Array.from({ length: 1_000 }, (_, i) => varint(i + 1))
    HARMLESS["targets that are services and workers"] = [
      record(PUBLISH_MORE, JSON_CODEC, 1 | 4 | 8, varint(others.length), ...others, sized("open.a"), "1"),
      ...others.map(id => record(PUBLISH_MORE, JSON_CODEC, 1 | 4 | 8 | 128, varint(1), id, sized("open.a"), "1")),
      ...others.map(id => record(REQUEST, JSON_CODEC, 1, varint(1), id, varint(HUGE), varint(1), sized("open.a"), "1")),
      ...others.map(id => record(TASK, JSON_CODEC, 1, varint(1), id, varint(1), sized("open.a"), "1")),
    ]
    for (const [name, records] of Object.entries(HARMLESS)) {
      await liar.send(records)
      await liar.send([record(NOTICE, 0, varint(1), varint(5))])
      const { body } = await liar.next(NOTICE).catch(error => assert.fail(`${name}: ${error}; ${warnings[0]?.message}`))
      assert.deepEqual([body.varint(), body.varint()], [2, 5])
      await goOn()
    }
    for (const text of [
      "",
      "{",
      "null",
      '{"t":"gossip","u":[{"n":"x"}]}',
      '{"t":"ask","s":1,"n":7}',
      "[".repeat(50_000),
    ]) {
      await liar.sendUnnumbered([record(MEMBERS, 0, text)])
    }
    await goOn()
    assert.deepEqual(warnings, [])
    assert.equal(node.peers.length, 2)
  })

  it("that waits for years is given time as anybody: no timer overflows", async () => {
    const { node, liar } = await scene()
    const overflows: string[] = []
    const listener = (warning: Error): void => void overflows.push(warning.name)
    process.on("warning", listener)
    later(() => process.off("warning", listener))
    let signal: AbortSignal | null = null
    const service = node.serve("patient", message => {
      signal = message.signal
      return 1
    })
    await liar.next(INTEREST)
    const patient = await (async () => {
      for (;;) {
        const { body } = await liar.next(INTEREST)
        if (body.bytes.includes("patient")) {
          body.at += 2
          return body.varint()
        }
      }
    })()
    await liar.send([
      record(REQUEST, JSON_CODEC, 1, varint(3), varint(patient), varint(HUGE), varint(1), sized("patient"), "1"),
    ])
    const { body } = await liar.next(REPLY)
    assert.deepEqual([body.byte(), body.varint()], [0, 3])
    assert.equal((signal as AbortSignal | null)?.aborted, false)
    assert.deepEqual(overflows, [])
    service.close()
  })

  it("cannot have more interests than maxInterests", async () => {
    const { liar, warnings, goOn } = await scene({ maxInterests: 100 })
    await liar.send(Array.from({ length: 101 }, (_, i) => interest(i, 0, `a.${i}`)))
    await liar.raw.gone
    await until(() => warnings.length > 0)
    assert.match(warnings[0].message, /maxInterests/)
    await goOn()
  })

  it("leaves nothing behind: its wishes are forgotten", async () => {
    const { node, liar, honest, warnings } = await scene()
    await liar.send([interest(1, 0, "gone"), interest(2, 2, "gone"), interest(3, 3, "gone")])
    await node.ready({ subject: "gone", subscribers: 1, servers: 1, workers: 1 })
    const answer = node.request("gone", 1, { timeout: 30_000 })
    const task = await node.push("gone", 1)
    await liar.next(REQUEST)
    await liar.send([varint(0)])
    await assert.rejects(answer, { code: "ECONNRESET" })
    await until(() => warnings.length > 0)
    assert.equal(node.publish("gone", 1).peers, 0)
    assert.equal(task.finished, false)
    const refused = assert.rejects(node.request("gone", 1, { timeout: 30_000 }), { code: "ERR_NO_RESPONDERS" })
    // The node wants to know whether the honest peer has said all that it wants.
    const { body } = await honest.next(NOTICE)
    assert.equal(body.varint(), 1)
    await honest.send([record(NOTICE, 0, varint(2), varint(body.varint()))])
    await refused
  })

  /** A batch that was right once, with a few bytes changed, or noise. */
  const noise = (random: Random): Buffer => {
    const some = Object.values(random.chance(0.1) ? BREACHES : HARMLESS)
    const parts = Array.from({ length: random.int(1, 4) }, () => Buffer.concat(random.pick(some)))
    const bytes = Buffer.concat([Buffer.from([random.chance(0.8) ? 1 : 0]), ...parts])
    if (random.chance(0.1)) return random.bytes(random.int(0, 300))
    for (let i = random.int(-4, 2); i > 0; i--) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
    return random.chance(0.05) ? bytes.subarray(0, random.int(0, bytes.length)) : bytes
  }

  it("may send anything at all (seeded)", () =>
    seeded(async random => {
      const { node, goOn } = await scene({ maxInterests: 1_000 })
      for (let round = 0; round < (LONG_RUN ? 3_000 : 100); round++) {
        const liar = await WirePeer.connect(node.endpoints[0], { name: "liar" })
        for (let i = random.int(1, 20); i > 0; i--)
          await liar.sendBytes(noise(random), random.chance(0.2) ? random.bytes(random.int(0, 20_000)) : undefined)
        // Behind this answer, or its goodbye, all has been read.
        await Promise.race([
          liar.send([record(NOTICE, 0, varint(1), varint(5))]).then(() => liar.next(NOTICE)),
          liar.raw.gone,
        ]).catch(() => {})
        liar.raw.reset()
        if (round % 20 === 0) await goOn()
      }
      await goOn()
      // The first liar has only listened so far.
      await until(() => node.peers.filter(peer => peer.state === "up").length === 2)
    }))
})
