import assert from "node:assert/strict"
import { formatDatagramAddress, parseDatagramAddress } from "../../core/datagram-address.ts"
import { seeded } from "../support/random.ts"

const parse = (text: string) => parseDatagramAddress(Buffer.from(text, "latin1"))

describe("Addresses of datagrams", () => {
  it("are what libzmq writes, with its NUL", () => {
    assert.equal(formatDatagramAddress("127.0.0.1", 33948).toString("latin1"), "127.0.0.1:33948\0")
    assert.equal(formatDatagramAddress("fe80::1%eth0", 7).toString("latin1"), "[fe80::1%eth0]:7\0")
  })

  it("are read with the NUL or without", () => {
    for (const [host, port] of [
      ["0.0.0.0", 1],
      ["255.249.199.9", 65535],
      ["::1", 5],
      ["fe80::1%eth0", 5],
      ["::ffff:1.2.3.4", 5],
    ] as const) {
      const frame = formatDatagramAddress(host, port)
      assert.deepEqual(parseDatagramAddress(frame), { host, port })
      assert.deepEqual(parseDatagramAddress(frame.subarray(0, -1)), { host, port })
    }
  })

  it("are nothing else", () => {
    for (const text of [
      "",
      "\0",
      ":",
      ":5",
      "127.0.0.1",
      "127.0.0.1:",
      "127.0.0.1:0",
      "127.0.0.1:65536",
      "127.0.0.1:-5",
      "127.0.0.1:5\0\0",
      "127.0.0.1:5 ",
      " 127.0.0.1:5",
      "127.0.0.256:5",
      "1.2.3:5",
      "1.2.3.4.5:5",
      "::1:5",
      "[]:5",
      "[::1]",
      "[::1]5",
      "localhost:5",
      "udp://127.0.0.1:5",
      `[${":".repeat(200)}]:5`,
    ]) {
      assert.equal(parse(text), null, JSON.stringify(text))
    }
  })

  it("survive noise", () =>
    seeded(random => {
      for (let i = 0; i < 5_000; i++) {
        const bytes = random.bytes(random.int(0, 40))
        const found = parseDatagramAddress(bytes)
        assert.ok(found === null || found.port > 0)
      }
    }))
})
