import assert from "node:assert/strict"
import { murmur2 } from "../../../bridge-kafka/mapping/murmur2.ts"
import { slotOf } from "../../../bridge-kafka/mapping/partition.ts"

/** Said by org.apache.kafka.common.utils.Utils.murmur2 of kafka-clients 4.3.1. */
const VECTORS: Readonly<Record<string, number>> = {
  "": 275646681,
  a: -1563381124,
  ab: 316155434,
  abc: 479470107,
  abcd: -1323649548,
  abcde: 461995741,
  "21": -973932308,
  foobar: -790332482,
  "a-little-bit-long-string": -985981536,
  "a-little-bit-longer-string": -1486304829,
  lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
  "orders.eu.created": 1466909087,
  "prices.é€😀": -721979977,
}

const ALL_ONES = [-311467685, -1642832928, 1548199422, 644171429, -363838622, 28450676, -71293549, 185950397]

describe("bridge: murmur2 and partitions", () => {
  it("MAP-2 hashes as Java does", () => {
    for (const [text, hash] of Object.entries(VECTORS)) assert.equal(murmur2(Buffer.from(text)), hash, text)
    assert.equal(murmur2(Buffer.from(Array.from({ length: 256 }, (_, i) => i))), -1948347274)
    for (const [index, hash] of ALL_ONES.entries()) assert.equal(murmur2(Buffer.alloc(index + 1, 0xff)), hash)
  })

  it("MAP-2 goes where Java's producer goes", () => {
    const key = Buffer.from("orders.eu.created")
    assert.deepEqual(
      [1, 3, 12, 100].map(count => slotOf(key, count)),
      [0, 2, 11, 87],
    )
    // A negative hash is made positive by its sign bit, not by its amount.
    assert.equal(slotOf(Buffer.from("a"), 100), (-1563381124 & 0x7fffffff) % 100)
  })
})
