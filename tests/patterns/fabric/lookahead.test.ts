import assert from "node:assert/strict"
import { SubjectIndex } from "../../../core/subject-index.ts"
import { SubjectKey } from "../../../core/subject-key.ts"
import { varintSize, writeVarint } from "../../../core/varint.ts"
import { Lookahead } from "../../../patterns/fabric/link/lookahead.ts"
import { FOR_ONE, INLINE_SUBJECT, PUBLISH, PUBLISH_MORE } from "../../../patterns/fabric/link/records.ts"
import type { Subscription } from "../../../patterns/fabric/subscription.ts"
import { Topics } from "../../../patterns/fabric/topics.ts"
import { Wishes } from "../../../patterns/fabric/wishes.ts"
import { seeded } from "../../support/random.ts"

const WISH = { delivered: 1 } as Subscription

const NO_WISHES = new Wishes(new Topics())

function wishes(): SubjectIndex<Subscription> {
  const index = new SubjectIndex<Subscription>()
  for (let i = 0; i < 1000; i++) index.add(i % 10 === 0 ? `s.*.${i}` : `s.${i}`, WISH)
  index.add("s.1", WISH)
  return index
}

function record(...body: Buffer[]): Buffer {
  const size = body.reduce((sum, { length }) => sum + length, 0)
  const length = Buffer.alloc(varintSize(size))
  writeVarint(size, length, 0)
  return Buffer.concat([length, ...body])
}

const named = (subject: string, payload: number): Buffer =>
  record(
    Buffer.from([PUBLISH_MORE, INLINE_SUBJECT, Buffer.byteLength(subject)]),
    Buffer.from(subject),
    Buffer.alloc(payload),
  )

const forOne = (id: number, payload: number): Buffer => {
  const number = Buffer.alloc(varintSize(id))
  writeVarint(id, number, 0)
  return record(
    Buffer.from([PUBLISH_MORE, FOR_ONE, 1]),
    number,
    Buffer.from([3]),
    Buffer.from("s.1"),
    Buffer.alloc(payload),
  )
}

describe("Lookahead", () => {
  it("has the key of each subject that is valid and in ASCII, in order, where the message is", () =>
    seeded(random => {
      const index = wishes()
      const lookahead = new Lookahead()
      for (let round = 0; round < 200; round++) {
        const subjects: (string | null)[] = Array.from({ length: random.int(1, 60) }, () =>
          random.pick([`s.${random.int(0, 1100)}`, "s.größe", "s..x", "", null, null]),
        )
        const batch = Buffer.concat(
          subjects.map(subject =>
            subject === null
              ? random.pick([record(Buffer.from([PUBLISH, 1, 2])), forOne(random.int(0, 1 << random.int(1, 30)), 64)])
              : named(subject, random.pick([0, 64, 300, 20_000])),
          ),
        )
        let at = 0
        let seen = 0
        const key = new SubjectKey()
        for (const subject of subjects) {
          const start = at
          let length = batch[at++]
          if (length >= 0x80) length = (length & 127) | (batch[at++] << 7)
          if (length >= 1 << 14) length = (length & 0x3fff) | (batch[at++] << 14)
          if (subject !== null) {
            if (start >= seen) {
              seen = lookahead.look(index, NO_WISHES, batch, start, batch.length)
              assert.ok(seen > start)
            }
            const taken = lookahead.take(batch, at + 3)
            const valid = key.setText(subject)
            if (!valid) assert.equal(taken, null)
            else if (taken !== null) {
              assert.equal(taken.length, key.length)
              assert.equal(taken.hash, key.hash)
              assert.equal(taken.tokens, key.tokens)
            }
          }
          at += length
        }
        assert.equal(at, batch.length)
        assert.equal(lookahead.take(batch, 0), null)
      }
    }))

  it("does not take a subject of one batch for that of another, nor of one that was cleared", () => {
    const index = wishes()
    const lookahead = new Lookahead()
    const batch = Buffer.concat([named("s.1", 10), named("s.2", 10)])
    lookahead.look(index, NO_WISHES, batch, 0, batch.length)
    assert.equal(lookahead.take(Buffer.from(batch), 4), null)
    assert.equal(lookahead.take(batch, 5), null)
    assert.equal(lookahead.take(batch, 4)?.length, 3)
    assert.equal(lookahead.take(batch, 4), null)
    lookahead.clear()
    assert.equal(lookahead.take(batch, 21), null)
  })

  it("gets over anything, and always on", () =>
    seeded(random => {
      const index = wishes()
      const lookahead = new Lookahead()
      for (let round = 0; round < 2000; round++) {
        const bytes = random.bytes(random.int(1, 300))
        // Such that many look like messages with a subject.
        for (let i = 0; i + 3 < bytes.length; i += random.int(1, 20)) {
          bytes[i] = random.int(0, 40)
          bytes[i + 1] = PUBLISH_MORE
          bytes[i + 2] = random.pick([INLINE_SUBJECT, FOR_ONE])
        }
        const at = random.int(0, bytes.length - 1)
        assert.ok(lookahead.look(index, NO_WISHES, bytes, at, bytes.length) > at)
      }
    }))
})
