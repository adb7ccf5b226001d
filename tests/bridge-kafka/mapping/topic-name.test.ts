import assert from "node:assert/strict"
import { KafkaError } from "../../../bridge-kafka/errors.ts"
import {
  avoidDots,
  checkTopic,
  escapeTopicPart,
  isTopic,
  unescapeTopic,
} from "../../../bridge-kafka/mapping/topic-name.ts"
import { seeded } from "../../support/random.ts"

/** As templates do it. */
const escapeTopic = (text: string): string => checkTopic(avoidDots(escapeTopicPart(text)))

const poison = (error: unknown): boolean => error instanceof KafkaError && error.kind === "poison"

describe("bridge: names of topics", () => {
  it("MAP-3 escapes what topics cannot have", () => {
    for (const [text, name] of [
      ["orders", "orders"],
      ["orders.eu-1", "orders.eu-1"],
      ["my_orders", "my_5forders"],
      ["a b/c", "a_20b_2fc"],
      ["é", "_c3_a9"],
      [".", "_2e"],
      ["..", "_2e_2e"],
      ["...", "..."],
    ]) {
      assert.equal(escapeTopic(text), name)
      assert.equal(unescapeTopic(name), text)
    }
  })

  it("MAP-3 is reversible, whatever the text", async () => {
    await seeded(random => {
      const signs = [..."ab.-_ /é€😀\u0000~[]", "_5f"]
      for (let i = 0; i < 2_000; i++) {
        const text = Array.from({ length: random.int(1, 18) }, () => random.pick(signs)).join("")
        const name = escapeTopic(text)
        assert.ok(isTopic(name), name)
        assert.equal(unescapeTopic(name), text)
      }
    })
  })

  it("has one name for each text: others are not unescaped", () => {
    for (const name of ["my_orders", "_41", "_5F", "_2", "_", "_ff", "", ".", "..", "a b", "_c3", "x".repeat(250)])
      assert.equal(unescapeTopic(name), null, name)
  })

  it("refuses what is no name, as an error of the record", () => {
    for (const name of ["", ".", "..", "a b", "a/b", "é", "x".repeat(250)])
      assert.throws(() => checkTopic(name), poison)
    assert.throws(() => escapeTopic("é".repeat(42)), poison)
    assert.throws(() => escapeTopic(""), poison)
    assert.equal(checkTopic("x".repeat(249)).length, 249)
  })
})
