import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { Random } from "../../support/random.ts"
import { collect, overDirectory, overTcp, range } from "./nodes.ts"

/** Where a record, its length or its batch takes another form: 127 bytes of body, 8 KiB apart, 32 KiB of a chunk. */
const EDGES = [0, 1, 31, 32, 33, 64, 124, 125, 126, 127, 128, 8191, 8192, 8193, 32_700, 32_768, 40_000]

/** Bytes that only the message of this number has. */
function numbered(size: number, number: number): Buffer {
  const bytes = Buffer.alloc(size, number)
  if (size >= 4) bytes.writeUInt32LE(number)
  return bytes
}

describe("fabric: a subject that one peer alone gets", () => {
  closesAfterEach()

  for (const [way, open] of [
    ["tcp", overTcp],
    ["ipc", overDirectory],
  ] as const) {
    it(`FAB-VAL-6 bytes of any size arrive whole and in order, one after the other and in bursts, over ${way}`, async () => {
      const random = Random.fresh()
      const [a, b] = await open(2)
      const got = collect<Buffer>(b, "s.>")
      await got.subscription.ready
      // Subjects with numbers of one byte and of two, and one that is used once.
      const subjects = range(200).map(i => `s.${i}`)
      const sent: [string, Buffer][] = []
      for (let i = 0; i < 6_000; i++) {
        // Most follow one with the same subject.
        const subject = i > 0 && random.int(0, 4) > 0 ? sent[i - 1][0] : subjects[random.int(0, 199)]
        const size = random.int(0, 9) === 0 ? EDGES[random.int(0, EDGES.length - 1)] : random.int(0, 200)
        const bytes = numbered(size, i)
        sent.push([subject, bytes])
        assert.deepEqual(a.publish(subject, bytes), { peers: 1, dropped: 0, taken: true })
        if (random.int(0, 300) === 0) await a.flush()
      }
      await got.count(sent.length)
      for (const [i, { subject, data }] of got.messages.entries()) {
        assert.equal(subject, sent[i][0], `message ${i}`)
        assert.ok((data as Buffer).equals(sent[i][1]), `message ${i} of ${sent[i][1].length} bytes`)
      }
    })
  }

  it("FAB-SUB-1 others may come to want it and go again between any two messages, of whatever kind", async () => {
    const [a, b, c] = await overTcp(3)
    const all = collect<unknown>(b, "s")
    await all.subscription.ready
    let count = 0
    /** Every kind of value and call, each with its number. */
    const publish = (peers: number): void => {
      for (let i = 0; i < 8; i++) {
        const number = count++
        const value = i % 4 < 2 ? numbered(64, number) : i % 4 === 2 ? { number } : `${number}`
        const options = i < 4 ? undefined : { headers: [["number", `${number}`]] as [string, string][] }
        assert.deepEqual(a.publish("s", value, options), { peers, dropped: 0, taken: true })
      }
    }
    const numbers = (values: readonly unknown[]): number[] =>
      values.map(value =>
        Buffer.isBuffer(value)
          ? value.readUInt32LE()
          : typeof value === "string"
            ? Number(value)
            : (value as { number: number }).number,
      )
    publish(1)
    // Kept from here on.
    const keeper = a.keep("s", { last: 100 })
    publish(1)
    const late = collect(c, "s", { history: 100 })
    await late.subscription.ready
    assert.deepEqual(numbers(await late.count(8)), range(16).slice(8))
    publish(2)
    assert.deepEqual(numbers(await late.count(16)), range(24).slice(8))
    late.subscription.unsubscribe()
    keeper[Symbol.dispose]()
    await c.flush()
    publish(1)
    const own = collect(a, "s")
    publish(2)
    assert.deepEqual(numbers(await own.count(8)), range(40).slice(32))
    own.subscription.unsubscribe()
    publish(1)
    const member = collect(c, "s", { queue: "workers" })
    await member.subscription.ready
    publish(2)
    assert.deepEqual(numbers(await member.count(8)), range(56).slice(48))
    member.subscription.unsubscribe()
    const plain = collect(c, "s")
    await plain.subscription.ready
    publish(2)
    assert.deepEqual(numbers(await plain.count(8)), range(64).slice(56))
    plain.subscription.unsubscribe()
    await c.flush()
    publish(1)
    assert.deepEqual(numbers(await all.count(72)), range(72))
    assert.deepEqual(
      [late.messages.length, own.messages.length, member.messages.length, plain.messages.length],
      [16, 8, 8, 8],
    )
    assert.equal(all.messages[7].headers.get("number"), "7")
    assert.equal(a.stats().subjects.find(({ subject }) => subject === "s")?.messagesSent, 72)
  })
})
