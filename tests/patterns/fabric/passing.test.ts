import assert from "node:assert/strict"
import { matches } from "../../../core/subject.ts"
import type { Fabric, FabricMessage, Subscription } from "../../../index.ts"
import { MAX_SUBJECTS } from "../../../patterns/fabric/link/records.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { type Random, seeded } from "../../support/random.ts"
import { collect, events, fillWindow, overTcp, range, withValve } from "./nodes.ts"

const WINDOW = 4096

/** From then on a subject that comes for the first time gets no topic. */
function crowd(publisher: Fabric): void {
  for (let i = 0; i <= MAX_SUBJECTS; i++) publisher.publish(`crowd.${i}`, null)
}

const randomSubject = (random: Random): string =>
  `s.${random.pick(["eu", "us", "größe"])}.${random.int(0, 400)}${random.chance(0.2) ? ".created" : ""}`

function randomPattern(random: Random): string {
  const tokens = randomSubject(random).split(".")
  if (random.chance(0.3)) tokens[1] = "*"
  if (random.chance(0.05)) tokens[2] = "*"
  if (random.chance(0.2)) tokens[3] = ">"
  return tokens.join(".")
}

interface Taker {
  readonly subscription: Subscription
  readonly queue: string
  readonly got: FabricMessage[]
  expected: number[]
}

describe("fabric: more subjects than are remembered", () => {
  closesAfterEach()

  it("FAB-SUB-22 go to everybody who wants them, whatever changes meanwhile", () =>
    seeded(async random => {
      const [a, b, c] = await overTcp(3)
      crowd(a)
      const takers: Taker[] = []
      let published = 0
      for (let round = 0; round < 12; round++) {
        for (let i = 0; i < 150; i++) {
          const leaves = takers.length > 0 && random.chance(0.3)
          if (leaves) {
            const [taker] = takers.splice(random.int(0, takers.length - 1), 1)
            taker.subscription.unsubscribe()
            continue
          }
          const got: FabricMessage[] = []
          // The publisher itself wants little, or nothing would only pass.
          const node = random.chance(0.02) ? a : random.pick([b, c])
          const queue = random.chance(0.1) ? "q" : ""
          const pattern = randomPattern(random)
          const subscription = node.subscribe(pattern, message => void got.push(message), queue === "" ? {} : { queue })
          takers.push({ subscription, queue, got, expected: [] })
        }
        // Ends are told in order: who is told of the last wish knows of all ends before it.
        await Promise.all([b, c].map(node => node.subscribe(`sync.${round}`, () => {}).ready))
        const queued: [subject: string, value: number][] = []
        for (let i = 0; i < 500; i++) {
          const subject = randomSubject(random)
          const value = published++
          const wanting = takers.filter(({ subscription }) => matches(subscription.pattern, subject))
          for (const taker of wanting) if (taker.queue === "") taker.expected.push(value)
          if (wanting.some(({ queue }) => queue !== "")) queued.push([subject, value])
          const sent = a.publish(subject, value)
          assert.equal(sent.dropped, 0)
          assert.equal(sent.peers === 0, wanting.length === 0, subject)
        }
        await a.flush()
        for (const { subscription, queue, got, expected } of takers) {
          for (const { subject } of got) assert.ok(matches(subscription.pattern, subject), subject)
          if (queue !== "") continue
          assert.deepEqual(
            got.map(({ data }) => data),
            expected,
            subscription.pattern,
          )
        }
        // Each message to one member of the group.
        const members = takers.filter(({ queue }) => queue !== "").flatMap(({ got }) => got)
        assert.deepEqual(
          members.map(({ subject, data }) => `${data as number} ${subject}`).sort(),
          queued.map(([subject, value]) => `${value} ${subject}`).sort(),
        )
        for (const taker of takers) {
          taker.got.length = 0
          taker.expected = []
        }
      }
    }))

  it("FAB-SUB-22 arrive with headers, large payloads, any codec, and subjects in any letters", async () => {
    const [a, b] = await overTcp(2)
    const got = collect(b, "p.>")
    await got.subscription.ready
    crowd(a)
    const large = Buffer.alloc(20_000, "x")
    a.publish("p.1", 1, { headers: [["k", "v"]] })
    a.publish("p.2", large)
    a.publish("p.3", { like: "others" }, { codec: "json" })
    a.publish("p.größe.語", { like: "others" })
    a.publish(`p.${"n".repeat(500)}`, "text", { codec: "string" })
    await got.count(5)
    const [first, second, third, fourth, fifth] = got.messages
    assert.equal(first.headers.get("k"), "v")
    assert.deepEqual(Buffer.from(second.bytes), large)
    assert.deepEqual(third.data, { like: "others" })
    assert.equal(third.encoding, "json")
    assert.equal(fourth.subject, "p.größe.語")
    assert.deepEqual(fourth.data, { like: "others" })
    assert.equal(fifth.subject, `p.${"n".repeat(500)}`)
    assert.equal(fifth.data, "text")
    for (const bad of ["", "p..1", "p.*", "p.>", ">", ".p", "p.", "p 1", "$heddle.x"])
      assert.throws(() => a.publish(bad, 1), { code: "EINVAL" })
  })

  it("FAB-SUB-22 wait by policy when a link is full, and arrive in order", async () => {
    const { publisher, subscriber, valve } = await withValve(WINDOW)
    const got = collect<number>(subscriber, "s.*", { policy: "drop-old", limit: 6 })
    const other = collect(subscriber, "fill")
    await other.subscription.ready
    const drops = events(publisher, "drop")
    crowd(publisher)
    valve.stall()
    const filled = fillWindow(publisher, "fill", WINDOW)
    let dropped = 0
    for (let i = 0; i < 20; i++) dropped += publisher.publish(`s.${i}`, i).dropped
    assert.equal(dropped, 14)
    assert.equal(publisher.stats().peers[0].queued, 6)
    valve.flow()
    assert.deepEqual(await got.count(6), range(6, 14))
    await other.count(filled)
    await publisher.flush()
    assert.equal(drops[0].count, 14)
    assert.equal(drops[0].pattern, "s.*")
  })

  it("FAB-SUB-22 are handled one after the other also where the subscriber has tens of thousands of wishes", async () => {
    const [a, b] = await overTcp(2, { maxInterests: 100_000 })
    const got: string[] = []
    const WISHES = 20_000
    let last: Subscription | null = null
    for (let i = 0; i < WISHES; i++) {
      const pattern = i % 10 === 0 ? `w.*.${i}.>` : `w.eu.${i}`
      last = b.subscribe(pattern, ({ subject, data }) => void got.push(`${subject} ${data as number}`))
    }
    await last?.ready
    crowd(a)
    const expected: string[] = []
    for (let i = 0; i < WISHES; i++) {
      const at = (i * 7919) % WISHES
      const subject = at % 10 === 0 ? `w.eu.${at}.x` : `w.eu.${at}`
      assert.equal(a.publish(subject, i).peers, 1)
      expected.push(`${subject} ${i}`)
      if (i % 1000 === 999) await a.flush()
    }
    await a.flush()
    assert.deepEqual(got, expected)
  })

  it("FAB-SUB-22 reach the subscription that takes the place of one which is over", async () => {
    const [a, b] = await overTcp(2)
    const before = collect<number>(b, "place")
    await before.subscription.ready
    crowd(a)
    a.publish("place", 1)
    before.subscription.unsubscribe()
    const after = collect<number>(b, "place")
    assert.deepEqual(await after.count(1), [1])
    assert.deepEqual(before.messages, [])
  })

  it("FAB-SUB-10 one that comes again gets a topic and a number", async () => {
    const [a, b] = await overTcp(2)
    const got = collect<number>(b, "again")
    await got.subscription.ready
    crowd(a)
    const counted = (): number => a.stats().subjects.find(({ subject }) => subject === "again")?.messagesSent ?? 0
    a.publish("again", 1)
    assert.equal(counted(), 0)
    a.publish("again", 2)
    a.publish("again", 3)
    assert.equal(counted(), 2)
    assert.deepEqual(await got.count(3), [1, 2, 3])
    const received = b.stats().subjects.find(({ subject }) => subject === "again")
    assert.equal(received?.messagesReceived, 2)
  })
})
