import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import { seeds } from "../../../index.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"
import { describeNative } from "../../transports/native/addon-fixtures.ts"
import { mappings } from "../../transports/shm/memory-counts.ts"
import { another, overDirectory, overTcp } from "./nodes.ts"

describe("A mesh in a folder", () => {
  closesAfterEach()

  it("forms when all come at the same time, and every pair has one link", async () => {
    const nodes = await overDirectory(12)
    for (const node of nodes) {
      assert.equal(node.peers.length, 11)
      assert.ok(node.peers.every(peer => peer.state === "up"))
    }
  })

  it("is not held up by addresses where somebody listens and says nothing", async () => {
    const [real] = await overTcp(1)
    const silent: net.Socket[] = []
    const addresses: string[] = []
    for (let i = 0; i < 30; i++) {
      const server = net.createServer(socket => {
        silent.push(socket.resume())
        socket.on("error", () => {})
      })
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      later(() => {
        server.close()
      })
      addresses.push(`tcp://127.0.0.1:${(server.address() as net.AddressInfo).port}`)
    }
    later(() => {
      for (const socket of silent) socket.destroy()
    })
    const joining = another(real, { discovery: [seeds([...addresses, real.endpoints[0]])] })
    await until(() => real.peers.length === 1 && real.peers[0].state === "up")
    // It goes on waiting for them meanwhile.
    assert.ok(silent.length > 0)
    assert.ok(silent.every(socket => !socket.destroyed))
    for (const socket of silent) socket.destroy()
    await (await joining).close()
  })

  describeNative("with the addon", () => {
    it("takes memory for the links that have traffic, and for no others", async () => {
      const before = mappings()
      const [a, b, ...others] = await overDirectory(5)
      const got: unknown[] = []
      await b.subscribe("numbers", message => got.push(message.data)).ready
      await a.ready({ subject: "numbers", subscribers: 1 })
      assert.equal(mappings(), before)
      for (let i = 0; i < 1_000; i++) {
        a.publish("numbers", i)
        if (i % 4 === 0) await turns()
      }
      await until(() => got.length === 1_000)
      assert.deepEqual(
        got,
        got.map((_, i) => i),
      )
      // Both ends are in this process.
      assert.equal(mappings(), before + 2)
      for (const node of [a, b, ...others]) await node.close()
      await until(() => mappings() === before)
    })
  })
})
