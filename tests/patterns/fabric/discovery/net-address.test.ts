import assert from "node:assert/strict"
import { formatAddress, parseAddress, reachable } from "../../../../patterns/fabric/discovery/net-address.ts"

/** Of the range for documentation (RFC 5737): no machine has it. */
const STRANGER = "203.0.113.9"

describe("Addresses of candidates", () => {
  it("are taken apart and put together again", () => {
    for (const endpoint of ["tcp://1.2.3.4:5", "tcp://[::1]:65535", "ws://host.example:80/path", "tcp://*:1"]) {
      const address = parseAddress(endpoint)
      assert.ok(address !== null)
      assert.equal(formatAddress(address), endpoint)
    }
    for (const other of [
      "ipc:///a:1",
      "tcp://::1:5",
      "tcp://host",
      "tcp://host:0",
      "tcp://host:65536",
      "tcp://host:x",
    ]) {
      assert.equal(parseAddress(other), null, other)
    }
  })

  it("are completed by the address that they came from", () => {
    const said = ["tcp://0.0.0.0:1", "tcp://[::]:2", "tcp://*:3", "ws://0.0.0.0:4/x", "tcp://10.0.0.1:5"]
    const expected = [1, 2, 3].map(port => `tcp://${STRANGER}:${port}`)
    assert.deepEqual(reachable(said, STRANGER), [...expected, `ws://${STRANGER}:4/x`, "tcp://10.0.0.1:5"])
  })

  it("do not lead to our own machine when a stranger says them", () => {
    const said = ["ipc:///run/docker.sock", "inproc://x", "tcp://127.0.0.1:22", "tcp://localhost:22", "tcp://[::1]:22"]
    assert.deepEqual(reachable(said, STRANGER), [])
    assert.deepEqual(reachable(said, "127.0.0.1"), said)
  })
})
