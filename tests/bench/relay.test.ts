import assert from "node:assert/strict"
import { once } from "node:events"
import { type AddressInfo, connect, createServer } from "node:net"
import { describe, it } from "mocha"
import { CountingRelay } from "../../bench/relay.ts"
import { closesAfterEach, later, using } from "../support/cleanup.ts"

describe("bench/relay", () => {
  closesAfterEach()

  it("passes on what comes, and counts both directions", async () => {
    const server = createServer(socket => {
      socket.on("error", () => {})
      socket.on("data", data => socket.write(Buffer.concat([data, data])))
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    later(() => server.close())
    const { port } = server.address() as AddressInfo
    const relay = await CountingRelay.open(`tcp://127.0.0.1:${port}`)
    later(() => relay.close())
    assert.match(relay.address, /^tcp:\/\/127\.0\.0\.1:\d+$/)
    assert.notEqual(relay.address, `tcp://127.0.0.1:${port}`)
    const socket = using(connect(Number(relay.address.split(":").at(-1)), "127.0.0.1"))
    socket.write("x".repeat(1000))
    let heard = 0
    while (heard < 2000) heard += (await once(socket, "data"))[0].length
    assert.equal(relay.bytes, 3000)
  })

  it("says what it cannot relay", async () => {
    await assert.rejects(CountingRelay.open("ipc:///tmp/x"), /no HOST:PORT at the end of ipc/)
  })
})
