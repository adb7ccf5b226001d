import assert from "node:assert/strict"
import { parseEndpoint } from "../../core/endpoint.ts"

describe("parseEndpoint", () => {
  it("splits scheme and address, and keeps what the user wrote", () => {
    for (const [href, scheme, address] of [
      ["tcp://127.0.0.1:5555", "tcp", "127.0.0.1:5555"],
      ["ipc:///tmp/a b", "ipc", "/tmp/a b"],
      ["inproc://a://b", "inproc", "a://b"],
      ["x://y", "x", "y"],
    ]) {
      assert.deepEqual(parseEndpoint(href), { scheme, address, href })
    }
  })

  for (const href of ["", "tcp", "tcp:", "tcp:/", "://", "://x", "tcp://", "localhost:5555"]) {
    it(`refuses ${JSON.stringify(href)} with EINVAL, and says what to write`, () => {
      assert.throws(() => parseEndpoint(href), {
        name: "HeddleError",
        code: "EINVAL",
        errno: 22,
        address: href,
        message: /scheme/,
      })
    })
  }

  it("refuses what is no string, as the npm package zeromq does", () => {
    for (const value of [undefined, null, 5, {}, ["tcp://x:1"]]) assert.throws(() => parseEndpoint(value), TypeError)
  })
})
