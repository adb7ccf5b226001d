import assert from "node:assert/strict"
import { connect } from "../../patterns/fabric/browser/connect.ts"
import type { ClientEvent } from "../../patterns/fabric/browser/events.ts"
import type { FabricClient } from "../../patterns/fabric/browser/fabric-client.ts"
import {
  AUTH,
  AUTHENTICATED,
  BYE,
  CLOSE_LEAVING,
  CLOSE_MALFORMED,
  CLOSE_TOKEN,
  EXPIRING,
  HELLO,
  NOTICE,
  OF_AUTH,
  OF_CONNECTION,
  PING,
  PONG,
} from "../../patterns/fabric/edge/protocol.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { FakeClock } from "../support/clock.ts"
import { turns, until } from "../support/wait.ts"
import { ScriptedNode } from "./scripted-node.ts"

/** All events but "closed", which ends them. */
function record(fabric: FabricClient): string[] {
  const seen: string[] = []
  const types = [
    "connecting",
    "open",
    "resuming",
    "resumed",
    "gap",
    "drop",
    "unconfirmed",
    "expiring",
    "error",
    "closed",
  ]
  for (const type of types as ClientEvent["type"][]) fabric.events.on(type, () => seen.push(type))
  return seen
}

describe("A client of the edge connects", () => {
  closesAfterEach()

  it("with the sub-protocol, a version, its token and its name", async () => {
    const node = new ScriptedNode()
    const connected = connect("ws://node:1/path", { webSocket: node.webSocket, token: "secret", name: "till" })
    const wire = await node.wire(0)
    assert.deepEqual([wire.url, wire.protocol, wire.binaryType], ["ws://node:1/path", "heddle.edge.1", "arraybuffer"])
    const hello = await wire.welcome()
    assert.deepEqual([hello.varint(), hello.text(), hello.text(), hello.text()], [1, "secret", "", "till"])
    const fabric = await connected
    assert.deepEqual([fabric.fabric, fabric.node, fabric.status, fabric.closed], ["shop", "stock", "open", false])
    await fabric.close()
    await wire.hears(BYE)
    assert.deepEqual([wire.closed, fabric.status, fabric.closed], [1000, "closed", true])
    assert.throws(() => fabric.publish("a", 1), { code: "EBADF" })
    assert.throws(() => fabric.subscribe("a"), { code: "EBADF" })
    await assert.rejects(fabric.request("a", 1), { code: "EBADF" })
  })

  it("and tells wrong arguments at once", async () => {
    const { webSocket } = new ScriptedNode()
    for (const url of ["", "http://node", "ws://", [], ["ws://a", 1]] as never[])
      await assert.rejects(connect(url, { webSocket }), { code: "EINVAL" })
    for (const options of [{ timeout: -1 }, { reconnect: { delay: 0 } }, { tokn: "x" }, { codec: "yaml" }] as never[])
      await assert.rejects(connect("ws://a", Object.assign({ webSocket }, options)), { code: "EINVAL" })
  })

  it("as often as it takes, until its time is over", async () => {
    const node = new ScriptedNode()
    const options = { webSocket: node.webSocket, connectTimeout: 200, reconnect: { delay: 1, maxDelay: 5 } }
    const connected = connect("ws://node", options)
    const refused = assert.rejects(connected, { code: "ECONNREFUSED", message: /ws:\/\/node/ })
    let index = 0
    let failed = false
    void refused.then(() => {
      failed = true
    })
    while (!failed) {
      await until(() => failed || node.wires.length > index)
      if (!failed) node.wires[index++].end()
    }
    await refused
    assert.ok(index > 2, `only ${index} attempts`)
  })

  it("at the next address when one does not answer", async () => {
    const node = new ScriptedNode()
    const options = { webSocket: node.webSocket, reconnect: { delay: 1 } }
    const connected = connect(["ws://one", "ws://two"], options)
    ;(await node.wire(0)).end()
    const second = await node.wire(1)
    assert.equal(second.url, "ws://two")
    await second.welcome()
    await (await connected).close()
  })

  it("not again when the node wants no such client", async () => {
    for (const code of [CLOSE_TOKEN, CLOSE_MALFORMED]) {
      const node = new ScriptedNode()
      const connected = connect("ws://node", { webSocket: node.webSocket, reconnect: { delay: 1 } })
      const refused = assert.rejects(connected, { code: "EACCES", message: "no such token" })
      const wire = await node.wire(0)
      wire.open()
      await wire.hears(HELLO)
      wire.refuse(OF_CONNECTION, 0, "EACCES", "no such token")
      wire.end(code)
      await refused
      assert.equal(node.wires.length, 1)
    }
  })

  it("again when the connection breaks, and names its session", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const seen = record(fabric)
    wire.end()
    assert.equal(fabric.status, "resuming")
    ;(await node.wire(1)).end()
    const hello = await (await node.wire(2)).welcome({ resumed: true })
    assert.deepEqual([hello.varint(), hello.text(), hello.text()], [1, "", "s1"])
    assert.deepEqual(seen, ["resuming", "connecting", "resuming", "connecting", "resumed"])
    assert.equal(fabric.status, "open")
    node.wires[2].end(CLOSE_LEAVING)
    await (await node.wire(3)).welcome({ resumed: true })
  })

  it("later and later, up to a limit, and never all at once", async () => {
    const clock = new FakeClock()
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client({ reconnect: { delay: 100, maxDelay: 1_000 }, heartbeat: 2 ** 30 })
    clock.install()
    try {
      const delays: number[] = []
      fabric.events.on("resuming", ({ delay }) => delays.push(delay))
      wire.end()
      for (let index = 1; index < 8; index++) {
        clock.advance(delays[index - 1])
        node.wires[index].end()
      }
      const longest = [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]
      assert.equal(delays.length, longest.length)
      for (const [i, delay] of delays.entries())
        assert.ok(delay >= longest[i] / 2 && delay <= longest[i], `attempt ${i} after ${delay} ms`)
      assert.ok(new Set(delays.slice(4)).size > 1, "the delays at the limit are all the same")
    } finally {
      await fabric.close()
      clock.restore()
    }
  })

  it("anew when the node does not answer any more", async () => {
    const clock = new FakeClock()
    const node = new ScriptedNode()
    clock.install()
    try {
      const connected = connect("ws://node", { webSocket: node.webSocket, heartbeat: 1_000 })
      const wire = node.wires[0]
      await wire.welcome()
      const fabric = await connected
      clock.advance(2_000)
      await turns()
      const ping = await wire.hears(PING)
      const token = ping.varint()
      wire.say(PONG, writer => writer.varint(token))
      clock.advance(2_000)
      assert.equal(fabric.status, "open")
      await turns()
      await wire.hears(PING)
      clock.advance(1_000)
      assert.equal(fabric.status, "resuming")
      await fabric.close()
    } finally {
      clock.restore()
    }
  })

  it("with another token when the function gives one, and no more when it gives the same", async () => {
    const node = new ScriptedNode()
    let token = "first"
    const [fabric, wire] = await node.client({ token: () => token })
    token = "second"
    wire.refuse(OF_CONNECTION, 0, "EACCES", "expired")
    wire.end(CLOSE_TOKEN)
    const again = await node.wire(1)
    const hello = await again.welcome()
    assert.deepEqual([hello.varint(), hello.text()], [1, "second"])
    const closed = new Promise<unknown>(resolve => fabric.events.on("closed", ({ error }) => resolve(error)))
    again.refuse(OF_CONNECTION, 0, "EACCES", "expired")
    again.end(CLOSE_TOKEN)
    ;(await node.wire(2)).open()
    assert.equal(((await closed) as { message: string }).message, "expired")
    assert.equal(fabric.status, "closed")
  })

  it("and brings a new token before the old one expires", async () => {
    const node = new ScriptedNode()
    let asked = 0
    const [fabric, wire] = await node.client({ token: async () => `token ${++asked}` })
    wire.say(NOTICE, writer => writer.byte(EXPIRING).varint(5_000))
    assert.equal((await wire.hears(AUTH)).text(), "token 2")
    wire.say(AUTHENTICATED, writer => writer.varint(0))
    const given = fabric.authenticate("by hand")
    assert.equal((await wire.hears(AUTH)).text(), "by hand")
    wire.refuse(OF_AUTH, 0, "EACCES", "another user")
    await assert.rejects(given, { code: "EACCES", message: "another user" })
    assert.equal(fabric.status, "open")
  })

  it("and hears of a function that gives no token", async () => {
    const node = new ScriptedNode()
    const connected = connect("ws://node", {
      webSocket: node.webSocket,
      connectTimeout: 20,
      reconnect: { delay: 1, maxDelay: 1 },
      token: () => Promise.reject(new Error("not logged in")),
    })
    const refused = assert.rejects(connected, /not logged in/)
    let over = false
    void refused.then(() => {
      over = true
    })
    for (let index = 0; !over; index++) {
      await until(() => over || node.wires.length > index)
      node.wires[index]?.open()
    }
    await refused
  })

  it("and is closed for bytes that are no records, without harm", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    const errors: unknown[] = []
    fabric.events.on("resuming", ({ error }) => errors.push(error.code))
    wire.deliver(new Uint8Array([67, 200, 1]))
    const second = await node.wire(1)
    await second.welcome()
    second.onmessage?.({ data: "text" } as never)
    await (await node.wire(2)).welcome()
    assert.deepEqual(errors, ["EPROTO", "EPROTO"])
    // Of a type that a later version has.
    node.wires[2].deliver(new Uint8Array([200, 2, 1, 2]))
    assert.equal(fabric.status, "open")
  })

  it("and tells all that happens, in order, to an iterator", async () => {
    const node = new ScriptedNode()
    const connected = connect("ws://node", { webSocket: node.webSocket })
    await (await node.wire(0)).welcome()
    const fabric = await connected
    later(() => fabric.close())
    const seen: string[] = []
    const all = (async () => {
      for await (const { type } of fabric.events) seen.push(type)
    })()
    node.wires[0].end()
    await fabric.close()
    await all
    assert.deepEqual(seen, ["connecting", "open", "resuming", "closed"])
  })
})
