import assert from "node:assert/strict"
import {
  BEACON,
  HEAD_SIZE,
  type Head,
  MESSAGES,
  readHead,
  TOKEN_SIZE,
  writeHead,
} from "../../../../patterns/fabric/carry/batch.ts"
import * as C from "../../../../patterns/fabric/carry/control.ts"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { GroupHub } from "../../../support/group.ts"
import { seeded } from "../../../support/random.ts"
import { turns, until } from "../../../support/wait.ts"
import { type Fields, interest, record, sized, varint, WirePeer } from "../../../support/wire-peer.ts"
import { collect } from "../nodes.ts"
import { CarryRig, carryOf, GROUP, PROBE } from "./rig.ts"

const ON = "receiving group: its beacons come through"
const DISTURBED = "receiving link: messages came that the publisher has not sent"
const CARRY = 14

type Node = Parameters<CarryRig["tick"]>[0]

describe("Bad input to carried subjects (FAB-CAR-12)", () => {
  closesAfterEach()

  let hub: GroupHub
  let rig: CarryRig
  beforeEach(() => {
    hub = new GroupHub()
    rig = new CarryRig(hub)
  })

  /** A message of the group with a head of our choice. */
  const forged = (changes: Partial<Head>, records: Buffer = Buffer.alloc(0)): Buffer => {
    const real = hub.sent.find(({ message }) => readHead(message[0]) !== null)?.message[0] as Buffer
    const head = { ...(readHead(real) as Head), kind: MESSAGES, count: 1, structures: 0, ...changes }
    const bytes = Buffer.alloc(HEAD_SIZE + records.length)
    writeHead(head, Buffer.from(head.token, "latin1"), bytes, 0)
    records.copy(bytes, HEAD_SIZE)
    return bytes
  }

  /** A record that says "ticks.f" and the number 7 in msgpack. */
  const RECORD = sized(Buffer.concat([Buffer.of((3 << 4) | 2), sized("ticks.f"), Buffer.of(7)]))
  const last = (): number => Math.max(...hub.sent.map(({ message }) => readHead(message[0])).map(lastOf))

  const settled = async (p: Node): Promise<void> => {
    rig.tick(p, 5)
    await turns(5)
    await p.flush()
  }

  it("that is no message of a fabric is counted and dropped", async () => {
    const { p, subscribers } = await rig.carried(2)
    const whole = forged({ number: 1 }, RECORD)
    const bad = [
      Buffer.alloc(0),
      Buffer.from("hello"),
      whole.subarray(0, HEAD_SIZE - 1),
      Buffer.concat([Buffer.from("XX"), whole.subarray(2)]),
      Buffer.concat([whole.subarray(0, 2), Buffer.of(9), whole.subarray(3)]),
      Buffer.concat([whole.subarray(0, 3), Buffer.of(9), whole.subarray(4)]),
      forged({ number: 0 }, RECORD),
      forged({ number: 1, count: 0 }, RECORD),
      forged({ number: 1, count: 2 ** 32 - 1 }, RECORD),
      forged({ number: 2 ** 60 }, RECORD),
    ]
    for (const bytes of bad) hub.inject("stranger", "g", [bytes])
    hub.inject("stranger", "g", [whole, whole, whole])
    await until(() => subscribers.every(({ node }) => carryOf(node).ignored.malformed === bad.length + 1))
    await settled(p)
    for (const one of subscribers) assert.deepEqual([one.holes(rig.published(p)), one.ways()], [0, [ON]])
  })

  it("of nobody who is linked is counted and dropped", async () => {
    const { p, subscribers } = await rig.carried(2)
    hub.inject("stranger", "g", [forged({ token: "12345678", number: 1 }, RECORD)])
    hub.inject("stranger", "g", [forged({ token: "12345678", kind: BEACON, number: 99 })])
    await until(() => subscribers.every(({ node }) => carryOf(node).ignored.stranger >= 2))
    await settled(p)
    for (const one of subscribers) assert.deepEqual([one.holes(rig.published(p)), one.ways()], [0, [ON]])
  })

  it("that came before is dropped", async () => {
    const { p, subscribers } = await rig.carried(2)
    await settled(p)
    const messages = hub.sent.filter(({ message }) => readHead(message[0])?.kind === MESSAGES)
    for (const { message } of messages) hub.inject("stranger", "g", message)
    await until(() => subscribers.every(({ node }) => carryOf(node).ignored.duplicate > 0))
    await settled(p)
    for (const one of subscribers) assert.equal(one.holes(rig.published(p)), 0)
  })

  const disturbances: Record<string, () => Buffer> = {
    "a message far ahead": () => forged({ number: last() + 1_000_000 }, RECORD),
    "a message at the end of all numbers": () => forged({ number: Number.MAX_SAFE_INTEGER - 2 ** 33 }, RECORD),
    "a beacon far ahead": () => forged({ kind: BEACON, number: 2 ** 50, count: PROBE }),
  }
  for (const [name, make] of Object.entries(disturbances)) {
    it(`that the publisher has not sent makes its messages come by link: ${name}`, async () => {
      const { p, subscribers } = await rig.carried(2)
      await settled(p)
      hub.inject("stranger", "g", [make()])
      await until(() => subscribers.every(one => one.ways().includes(DISTURBED)))
      await settled(p)
      for (const one of subscribers) assert.deepEqual([one.holes(rig.published(p)), one.missing], [0, 0])
      // And by the group once more, later.
      await until(() => carryOf(p).to === 2)
      await settled(p)
      for (const one of subscribers) assert.deepEqual([one.holes(rig.published(p)), one.missing], [0, 0])
    })
  }

  it("in the place of a message is fetched by link", async () => {
    const { p, subscribers } = await rig.carried(2)
    await settled(p)
    const number = last() + 1
    const bad: [changes: Partial<Head>, records: Buffer][] = [
      [{}, Buffer.of(0)],
      [{}, Buffer.of(200)],
      [{}, Buffer.concat([RECORD, RECORD])],
      [{ count: 2 }, Buffer.concat([RECORD.subarray(0, -1), Buffer.of(1, 2)])],
      // A subject that was not named, an invalid subject, headers and a payload that are not there.
      [{}, sized(Buffer.of(3 << 4, 5, 7))],
      [{}, sized(Buffer.concat([Buffer.of((3 << 4) | 2), sized("a..b"), Buffer.of(7)]))],
      [{}, sized(Buffer.concat([Buffer.of((3 << 4) | 3), sized("ticks.f"), Buffer.of(200)]))],
      [{}, sized(Buffer.concat([Buffer.of((3 << 4) | 6), sized("ticks.f")]))],
    ]
    const before = subscribers.map(({ got }) => got.length)
    for (const [changes, records] of bad) hub.inject("stranger", "g", [forged({ number, ...changes }, records)])
    rig.tick(p, 3)
    await until(() => subscribers.every(({ node }) => carryOf(node).ignored.malformed > 0))
    await settled(p)
    for (const [i, one] of subscribers.entries()) {
      const own = one.got.slice(before[i]).filter(value => value !== 7)
      assert.equal(own.at(-1), rig.published(p) - 1)
    }
  })

  it("of any kind ends no link and throws nothing", async () => {
    await seeded(async random => {
      const { p, subscribers } = await rig.carried(2)
      await settled(p)
      for (let i = 0; i < 400; i++) {
        const { message } = random.pick(hub.sent)
        const copy = message.map(frame => Buffer.from(frame))
        for (let changes = random.int(1, 4); changes > 0; changes--) {
          const frame = random.pick(copy)
          // The token stays: others would be no more than strangers.
          const at = random.int(0, frame.length - 1)
          if (at < 4 || at >= 4 + TOKEN_SIZE) frame[at] = random.chance(0.5) ? random.int(0, 255) : frame[at] ^ 1
        }
        if (random.chance(0.2)) copy[0] = copy[0].subarray(0, random.int(0, copy[0].length))
        hub.inject("stranger", "g", copy)
        if (random.chance(0.1)) rig.tick(p, random.int(1, 30))
        await turns(1)
      }
      await settled(p)
      for (const { got, events } of subscribers) {
        assert.ok(!events.some(({ type }) => type === "down"))
        await until(() => got.at(-1) === rig.published(p) - 1)
      }
    })
  })

  const byWire = async (node: Node, changes: Record<string, unknown> = {}): Promise<WirePeer> => {
    const peer = await WirePeer.connect(node.endpoints[0], { fabric: node.fabric, ...changes })
    later(() => peer.raw.destroy())
    return peer
  }

  const byHand = async (): Promise<{ node: Node; peer: WirePeer; gone: () => boolean }> => {
    const node = await rig.join("p", { carry: { "ticks.>": { group: GROUP, probe: PROBE, threshold: 1 } } })
    // It subscribes, too: both sides of the protocol are there.
    node.subscribe("ticks.>", () => {})
    await until(() => hub.open.receivers === 1)
    const peer = await byWire(node, { carry: true, maxPayload: 2 ** 30 })
    await node.ready({ peers: 1 })
    return { node, peer, gone: () => node.peers.length === 0 }
  }

  const say = (kind: number, ...rest: (Buffer | string | number)[]): Buffer =>
    record(CARRY, 0, varint(kind), sized(GROUP), ...rest)

  it("of a peer by link that is out of place is passed over", async () => {
    const { node, peer } = await byHand()
    const numbers = [varint(1), varint(2 ** 40), varint(9)]
    // Nothing was offered, nobody is on: whatever refers to it has no meaning.
    for (const kind of [C.HEAR, C.FETCH, C.LOST, C.ON, C.OFF, C.END, C.MISSING, C.FETCHED, C.TAIL, C.MARK, C.DEAF, 99])
      await peer.send([say(kind, ...numbers)])
    await peer.send([record(CARRY, 0, varint(C.LISTEN), sized("group://unknown"))])
    await peer.send([say(C.LISTEN), say(C.LISTEN), say(C.FETCH, varint(1), varint(5))])
    await peer.send([record(13, 0, varint(1), varint(5))])
    const answer = await peer.next(13)
    assert.deepEqual([...answer.body.rest()], [2, 5])
    assert.equal(node.peers[0].state, "up")
  })

  const breaches: Record<string, Buffer[]> = {
    "a record that ends too soon": [say(C.FETCH, varint(1))],
    "a token that ends too soon": [say(C.OFFER, "1234")],
    "a batch that is none": [say(C.LISTEN), say(C.OFFER, "12345678"), say(C.BATCH, "nonsense")],
  }
  for (const [name, records] of Object.entries(breaches)) {
    it(`of a peer by link that is malformed cuts it off: ${name}`, async () => {
      const { peer, gone } = await byHand()
      await peer.send(records)
      await until(gone)
    })
  }

  it("in a batch that comes by link cuts the peer off; what came before stands", async () => {
    const { node, peer, gone } = await byHand()
    const got = collect(node, "ticks.f")
    const token = Buffer.from("12345678")
    const made = (head: Partial<Head>, records: Buffer = Buffer.alloc(0)): Buffer => {
      const bytes = Buffer.concat([Buffer.alloc(HEAD_SIZE), records])
      writeHead({ kind: MESSAGES, token: "", number: 1, count: 1, structures: 0, ...head }, token, bytes, 0)
      return bytes
    }
    await peer.send([say(C.OFFER, token)])
    const heard = await carryRecord(peer, C.HEAR, () => {
      hub.inject("hand", "g", [made({ kind: BEACON, number: 0, count: 1_000 })])
    })
    assert.deepEqual(heard.rest(), token)
    await peer.send([say(C.ON, varint(0))])
    await until(() => carryOf(node).from === 1)
    hub.inject("hand", "g", [made({}, RECORD)])
    assert.deepEqual(await got.count(1), [7])
    await peer.send([say(C.BATCH, made({ number: 2, count: 2 }, Buffer.concat([RECORD, RECORD])))])
    await got.count(3)
    assert.equal(gone(), false)
    await peer.send([say(C.BATCH, made({ number: 4 }, Buffer.of(9)))])
    await until(gone)
    assert.equal(got.messages.length, 3)
  })

  it("does not make a publisher keep more than its windows for who asks and does not read", async () => {
    const { node, peer } = await byHand()
    await peer.send([interest(1, 0, "ticks.>"), say(C.LISTEN)])
    const state = (): { bytes: number } => (node as unknown as { node: Peers }).node.peers.up()[0].outgoing
    const offer = await carryRecord(peer, C.OFFER, () => node.publish("ticks.a", 1))
    await peer.send([say(C.HEAR, offer.rest())])
    await carryRecord(peer, C.ON, () => {})
    for (let i = 0; i < 40; i++) node.publish("ticks.a", Buffer.alloc(100_000))
    await turns(2)
    // Sixty times all that is kept: 240 MB.
    for (let i = 0; i < 60; i++) await peer.send([say(C.FETCH, varint(1), varint(1_000))])
    await turns(50)
    assert.ok(state().bytes < 16 * 1024 * 1024, `${state().bytes}`)
  })

  interface Peers {
    peers: { up(): { outgoing: { bytes: number } }[] }
  }

  /** The next CARRY record of a kind; `meanwhile` makes it come. */
  const carryRecord = async (peer: WirePeer, kind: number, meanwhile: () => void): Promise<Fields> => {
    const timer = setInterval(meanwhile, 5)
    try {
      for (;;) {
        const { body } = await peer.next(CARRY)
        const found = body.varint()
        body.text()
        if (found === kind) return body
      }
    } finally {
      clearInterval(timer)
    }
  }

  it("is spared peers of before: they are told nothing of groups (FAB-CAR-13)", async () => {
    const p = await rig.join("p")
    const types: number[] = []
    const old = await byWire(p)
    assert.equal(old.theirs.carry, true)
    await old.send([interest(1, 0, "ticks.>")])
    p.subscribe("ticks.>", () => {})
    const subscribers = [await rig.subscriber("s0"), await rig.subscriber("s1")]
    await until(() => {
      rig.tick(p)
      return carryOf(p).to === 2
    })
    rig.tick(p, 10)
    await old.send([record(13, 0, varint(1), varint(5))])
    for (;;) {
      const { type, body } = await old.next(...Array.from({ length: 16 }, (_, i) => i))
      types.push(type)
      if (type === 13 && body.varint() === 2) break
    }
    assert.ok(types.includes(0) && !types.includes(CARRY), `${types}`)
    assert.equal(subscribers.length, 2)
  })
})

function lastOf(head: Head | null): number {
  if (head === null) return 0
  return head.kind === BEACON ? head.number : head.number + head.count - 1
}
