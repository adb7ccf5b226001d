import assert from "node:assert/strict"
import type { Fabric, HeddleError, JoinOptions } from "../../../index.ts"
import { join, seeds } from "../../../index.ts"
import { command, ready } from "../../support/bytes.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { RawListener, RawPeer } from "../../support/raw-peer.ts"
import { pass, until } from "../../support/wait.ts"
import { interest, record, sized, varint, WirePeer } from "../../support/wire-peer.ts"

describe("Introductions of the fabric", () => {
  closesAfterEach()

  const node = async (name: string, options: JoinOptions = {}): Promise<Fabric> =>
    using(await join("shop", { name, listen: "tcp://127.0.0.1:0", discovery: [], ...options }))

  const warningsOf = (fabric: Fabric): HeddleError[] => {
    const warnings: HeddleError[] = []
    fabric.events.on("warning", ({ error }) => void warnings.push(error))
    return warnings
  }

  /** What the node answers to this introduction, and what it tells its own side. */
  const refusal = async (introduction: string): Promise<{ said: string; warned: HeddleError }> => {
    const a = await node("a")
    const warnings = warningsOf(a)
    const raw = using(await RawPeer.connect(a.endpoints[0]))
    await raw.greet()
    await raw.write(ready("PEER", ["X-Heddle", introduction]))
    const { name, data } = await raw.readCommand()
    assert.equal(name, "ERROR")
    await until(() => warnings.length > 0)
    assert.equal(warnings.length, 1)
    assert.deepEqual(a.peers, [])
    return { said: data.toString("utf8", 1), warned: warnings[0] }
  }

  const refuses = async (changes: Record<string, unknown>, why: RegExp): Promise<void> => {
    const { said, warned } = await refusal(JSON.stringify(WirePeer.introduction(changes)))
    assert.match(said, why)
    assert.match(warned.message, why)
    assert.equal(warned.code, "ERR_FABRIC")
  }

  const CASES: Record<string, [changes: Record<string, unknown>, why: RegExp]> = {
    "another fabric": [{ fabric: "bank" }, /belongs to the fabric "bank", this node to "shop"/],
    "no fabric": [{ fabric: undefined }, /fabric undefined/],
    "a later wire": [{ v: [2, 3] }, /versions 2 to 3 .* this node 1 to 1; update the older one/],
    "an earlier wire": [{ v: [0, 0] }, /versions 0 to 0/],
    "no versions": [{ v: undefined }, /names no versions/],
    "versions that are none": [{ v: ["1", 1] }, /names no versions/],
    "too many versions": [{ v: [1, 1, 1] }, /names no versions/],
    "a node id with strange signs": [{ node: "../../etc/passwd" }, /node id is malformed/],
    "a short node id": [{ node: "x" }, /node id is malformed/],
    "a long node id": [{ node: "x".repeat(65) }, /no proper node/],
    "no node id": [{ node: undefined }, /no proper node/],
    "a name that is a number": [{ name: 7 }, /no proper name/],
    "an endless name": [{ name: "x".repeat(257) }, /no proper name/],
    "a negative incarnation": [{ incarnation: -1 }, /no proper incarnation/],
    "an incarnation beyond all": [{ incarnation: 2 ** 41 }, /no proper incarnation/],
    "a fractional payload": [{ maxPayload: 0.5 }, /no proper maxPayload/],
    "endpoints that are none": [{ endpoints: "tcp://1.2.3.4:5" }, /no proper endpoints/],
    "too many endpoints": [{ endpoints: Array(9).fill("tcp://1.2.3.4:5") }, /no proper endpoints/],
    "an endless endpoint": [{ endpoints: [`tcp://${"x".repeat(300)}:1`] }, /no proper endpoints/],
    "an empty endpoint": [{ endpoints: [""] }, /no proper endpoints/],
    "a position that is none": [{ heard: { stream: "x" } }, /no proper position/],
    "a negative position": [{ heard: ["x", -1, 0] }, /no proper position/],
    "a pid that is text": [{ pid: "1" }, /no proper pid/],
    "no stream": [{ stream: undefined }, /no proper stream/],
  }
  for (const [name, [changes, why]] of Object.entries(CASES)) {
    it(`with ${name} are refused, and both sides know why`, () => refuses(changes, why))
  }

  for (const text of ["", "{", "null", "7", "[]", '"shop"', "\u0000", "x".repeat(20_000)]) {
    it(`that are ${JSON.stringify(text.slice(0, 12))} are refused`, async () => {
      const { warned } = await refusal(text)
      assert.equal(warned.code, "ERR_FABRIC")
    })
  }

  it("by properties with other capitals are read", async () => {
    const a = await node("a")
    const raw = using(await RawPeer.connect(a.endpoints[0]))
    await raw.shake("PEER", ["x-heDDle", JSON.stringify(WirePeer.introduction())])
    await a.ready({ peers: 1 })
  })

  it("that are missing are refused: a PEER socket is no node", async () => {
    const a = await node("a")
    const raw = using(await RawPeer.connect(a.endpoints[0]))
    await raw.greet()
    await raw.write(ready("PEER"))
    const { name, data } = await raw.readCommand()
    assert.equal(name, "ERROR")
    assert.match(data.toString("utf8", 1), /PEER/)
  })

  it("are refused by both sides: two fabrics at one address", async () => {
    const a = await node("a")
    const warnings = warningsOf(a)
    const other = using(await join("bank", { name: "b", listen: [], discovery: [seeds([a.endpoints[0]])] }))
    const told = warningsOf(other)
    await until(() => warnings.length > 0 && told.length > 0)
    assert.match(warnings[0].message, /belongs to the fabric "bank", this node to "shop"/)
    assert.match(told[0].message, /belongs to the fabric "bank", this node to "shop"/)
    assert.deepEqual([a.peers, other.peers], [[], []])
  })

  it("of somebody who answers a dial wrongly are refused, and it is dialled again", async () => {
    const listener = using(await RawListener.open())
    const a = await node("a", { discovery: [], listen: [] }).then(async () => {
      const joined = join("shop", { name: "c", listen: [], discovery: [seeds([listener.endpoint], { retry: 50 })] })
      const raw = await listener.accept()
      await raw.greet()
      await raw.readCommand()
      await raw.write(ready("PEER", ["X-Heddle", '{"v":[1,1],"fabric":"bank"}']))
      return using(await joined)
    })
    const again = await listener.accept()
    await again.greet()
    await again.readCommand()
    const introduction = WirePeer.introduction({ blind: false })
    await again.write(ready("PEER", ["X-Heddle", JSON.stringify(introduction)]))
    await a.ready({ peers: 1 })
    assert.equal(a.peers[0].name, "by-hand")
  })

  it("of somebody who is no ZeroMQ at all do no harm", async () => {
    const a = await node("a")
    const warnings = warningsOf(a)
    const raw = using(await RawPeer.connect(a.endpoints[0]))
    await raw.write(Buffer.from("GET / HTTP/1.1\r\nHost: shop\r\n\r\n".padEnd(64)))
    await raw.gone
    await until(() => warnings.length > 0)
    assert.ok((await WirePeer.connect(a.endpoints[0])).theirs !== null)
    await a.ready({ peers: 1 })
  })

  it("of our own node are ended: a node is no peer of itself", async () => {
    const a = await node("a")
    const liar = await WirePeer.connect(a.endpoints[0], { node: a.id })
    assert.equal(liar.theirs.busy, true)
    assert.deepEqual(a.peers, [])
    using(liar.raw)
  })

  it("beyond maxPeers are refused", async () => {
    const a = await node("a", { maxPeers: 1 })
    const warnings = warningsOf(a)
    using((await WirePeer.connect(a.endpoints[0])).raw)
    await a.ready({ peers: 1 })
    await assert.rejects(WirePeer.connect(a.endpoints[0]))
    await until(() => warnings.length > 0)
    assert.match(warnings[0].message, /maxPeers/)
    assert.equal(a.peers.length, 1)
  })

  it("that never come to an end hold no link", async () => {
    const a = await node("a", { maxPeers: 2 })
    for (let i = 0; i < 5; i++) {
      const raw = using(await RawPeer.connect(a.endpoints[0]))
      await raw.greet()
      if (i % 2 === 0) await raw.write(command("READY", "").subarray(0, 4))
      raw.reset()
    }
    await pass(50)
    assert.deepEqual(a.peers, [])
  })

  it("of a later version are read: fields, records and notices that this one does not know are passed over", async () => {
    const a = await node("a")
    const got: unknown[] = []
    a.subscribe("n", message => void got.push(message.data))
    const warnings = warningsOf(a)
    const later = await WirePeer.connect(a.endpoints[0], { v: [1, 9], colour: { deep: ["blue"] }, heard: undefined })
    using(later.raw)
    await later.send([
      record(15, 3, "whatever comes later"),
      record(13, 0, varint(99), varint(1)),
      interest(1, 0, "back"),
      record(9, 0, varint(0), "n"),
      record(15, 0),
      record(0, 2, varint(0), '"known"'),
    ])
    await later.sendUnnumbered([record(14, 0, "later"), record(0, 0, varint(0)), record(7, 0, sized("x"))])
    await until(() => got.length === 1)
    await a.ready({ subject: "back" })
    assert.deepEqual([got, warnings], [["known"], []])
  })
})
