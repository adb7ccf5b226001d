import assert from "node:assert/strict"
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  MAX_MESSAGES,
  type StoreOutcome,
  type StoreRequest,
} from "../../../bridge-kafka/sink/store-protocol.ts"
import { HeddleError } from "../../../core/errors.ts"
import { seeded } from "../../support/random.ts"

const REQUEST: StoreRequest = {
  ack: "stored",
  publisher: "ünit/1",
  epoch: 1_700_000_000_000_123,
  floor: 3,
  messages: [
    { number: 3, id: "", subject: "a.b", timestamp: 1_700_000_000_000, headers: [], value: Buffer.from("x") },
    {
      number: 2 ** 40,
      id: "mine",
      subject: "ä.b",
      timestamp: 0,
      headers: [
        ["h", Buffer.from([0, 255])],
        ["h", Buffer.alloc(0)],
      ],
      value: null,
    },
  ],
}

const OUTCOMES: StoreOutcome[] = [
  { stored: true, duplicate: false, place: { topic: "t", partition: 2, offset: 2 ** 40 } },
  { stored: true, duplicate: true, place: null },
  { stored: true, duplicate: false, place: { topic: "t", partition: 0, offset: -1 } },
  { stored: false, code: "EBUSY", text: "später", retryAfter: 100 },
]

describe("the protocol of storing", () => {
  it("brings requests and replies over", () => {
    assert.deepEqual(decodeRequest(encodeRequest(REQUEST)), REQUEST)
    assert.deepEqual(decodeReply(encodeReply(OUTCOMES), OUTCOMES.length), OUTCOMES)
  })

  it("refuses every request and reply that is cut, of another version, or tells of too many", () => {
    const request = encodeRequest(REQUEST)
    for (let end = 0; end < request.length; end++)
      assert.throws(() => decodeRequest(request.subarray(0, end)), { code: "EPROTO" })
    const reply = encodeReply(OUTCOMES)
    for (let end = 0; end < reply.length; end++)
      assert.throws(() => decodeReply(reply.subarray(0, end), OUTCOMES.length), { code: "EPROTO" })
    assert.throws(() => decodeReply(reply, 3), { code: "EPROTO" })
    assert.throws(() => decodeRequest(Buffer.from([9, ...request.subarray(1)])), { code: "EPROTO" })
    const [message] = REQUEST.messages
    const many = { ...REQUEST, messages: Array.from({ length: MAX_MESSAGES + 1 }, () => message) }
    assert.throws(() => decodeRequest(encodeRequest(many)), { code: "EPROTO" })
  })

  it("throws nothing but EPROTO for what the network may bring", () =>
    seeded(random => {
      const good = encodeRequest(REQUEST)
      for (let i = 0; i < 3_000; i++) {
        const bytes = random.chance(0.5) ? random.bytes(random.int(0, 60)) : Buffer.from(good)
        if (bytes.length > 0) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255)
        try {
          decodeRequest(bytes)
        } catch (error) {
          assert.ok(error instanceof HeddleError && error.code === "EPROTO", String(error))
        }
      }
    }))
})
