import assert from "node:assert/strict"
import { TopicCounter } from "../../core/prefix-counter.ts"
import { seeded } from "../support/random.ts"

describe("TopicCounter", () => {
  it("finds the same for a topic that lies within other bytes as for the topic by itself", () =>
    seeded(random => {
      // Few letters, so that prefixes are met; some topics beyond the first checkpoint of the table.
      const text = (most: number): Buffer =>
        Buffer.from(Array.from({ length: random.int(0, most) }, () => random.pick([97, 98])))
      for (let round = 0; round < 50; round++) {
        const topics = new TopicCounter()
        const base = text(200)
        for (let left = random.int(0, 20); left > 0; left--)
          topics.increment(random.chance(0.5) ? text(6) : base.subarray(0, random.int(0, base.length)))
        for (let left = 200; left > 0; left--) {
          const topic = Buffer.concat([base.subarray(0, random.int(0, base.length)), text(4)])
          const before = text(9)
          const bytes = Buffer.concat([before, topic, text(9)])
          const end = before.length + topic.length
          assert.equal(topics.hasAt(bytes, before.length, end), topics.has(topic))
        }
      }
    }))
})
