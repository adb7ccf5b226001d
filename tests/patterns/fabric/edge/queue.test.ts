import assert from "node:assert/strict"
import * as P from "../../../../patterns/fabric/edge/protocol.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { turns, until } from "../../../support/wait.ts"
import { RawEdgeClient } from "./edge-client.ts"
import { open } from "./edge-node.ts"

describe("Queue groups at the edge", () => {
  closesAfterEach()

  it("give each message to one member, so many at a time as it can do", async () => {
    const { node, endpoint } = await open({ subscribe: ["jobs.>"] })
    const [a, b] = await Promise.all([1, 2].map(() => RawEdgeClient.open(endpoint)))
    const subA = await a.subscribed(1, "jobs.*", { group: "g", capacity: 2 })
    const subB = await b.subscribed(1, "jobs.*", { group: "g", capacity: 2 })
    assert.notEqual(subA.channel, subB.channel)
    for (let i = 0; i < 10; i++) node.publish("jobs.x", i, { codec: "json" })
    await until(() => a.values(subA.channel).length === 2 && b.values(subB.channel).length === 2)
    await turns(5)
    assert.equal(a.values(subA.channel).length + b.values(subB.channel).length, 4)
    // A total: said again, it means the same.
    for (let i = 0; i < 3; i++) a.send(P.DONE, out => out.varint(1).varint(1))
    await until(() => a.values(subA.channel).length === 3)
    await turns(5)
    assert.equal(a.values(subA.channel).length, 3)
    a.send(P.DONE, out => out.varint(1).varint(1_000_000))
    b.send(P.DONE, out => out.varint(1).varint(1_000_000))
    for (let total = 4; total < 12; total++) {
      a.send(P.DONE, out => out.varint(1).varint(1_000_000))
      b.send(P.DONE, out => out.varint(1).varint(1_000_000))
      await turns(3)
    }
    await until(() => a.values(subA.channel).length + b.values(subB.channel).length === 10)
    const all = [...a.values(subA.channel), ...b.values(subB.channel)].map(Number).sort((x, y) => x - y)
    assert.deepEqual(all, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it("keep what a member was given while it is away, and give what is new to others", async () => {
    const { node, endpoint } = await open({ subscribe: ["jobs.>"] })
    const first = await RawEdgeClient.open(endpoint)
    const { session } = await first.first(P.WELCOME)
    const sub = await first.subscribed(1, "jobs.*", { group: "g", capacity: 100 })
    for (let i = 0; i < 5; i++) node.publish("jobs.x", i, { codec: "json" })
    await until(() => first.values(sub.channel).length === 5)
    first.socket.terminate()
    await until(() => node.stats().edge?.clients === 0)
    const other = await RawEdgeClient.open(endpoint)
    const subOther = await other.subscribed(1, "jobs.*", { group: "g", capacity: 100 })
    for (let i = 5; i < 10; i++) node.publish("jobs.x", i, { codec: "json" })
    await until(() => other.values(subOther.channel).length === 5)

    const stranger = await RawEdgeClient.open(endpoint)
    const refused = await stranger.subscribed(1, "jobs.*", {
      group: "g",
      capacity: 1,
      channel: sub.channel as number,
      position: 0,
    })
    assert.equal(refused.flags, 0)
    stranger.send(P.BYE)
    await stranger.ended()

    const second = await RawEdgeClient.open(endpoint, { session: session as string })
    // As if the last two had not come.
    const resumed = await second.subscribed(1, "jobs.*", {
      group: "g",
      capacity: 100,
      channel: sub.channel as number,
      position: 3,
    })
    assert.deepEqual([resumed.flags, resumed.missing], [P.RESUMED, 0])
    await until(() => second.values(sub.channel).length === 2)
    assert.deepEqual(second.values(sub.channel), [3, 4])
    for (let i = 10; i < 20; i++) node.publish("jobs.x", i, { codec: "json" })
    await until(() => second.values(sub.channel).length + other.values(subOther.channel).length === 17)
    assert.ok(second.values(sub.channel).length > 2)
  })

  it("count what a member had not done that does not come back", async () => {
    const { node, endpoint } = await open({ subscribe: ["jobs.>"], resume: { time: 50 } })
    const member = await RawEdgeClient.open(endpoint)
    const sub = await member.subscribed(1, "jobs.*", { group: "g", capacity: 100 })
    for (let i = 0; i < 5; i++) node.publish("jobs.x", i, { codec: "json" })
    await until(() => member.values(sub.channel).length === 5)
    member.send(P.DONE, out => out.varint(1).varint(2))
    // Behind it: what is answered was handled.
    member.send(P.PING, out => out.varint(7))
    await member.first(P.PONG)
    assert.equal(node.stats().edge?.missed, 0)
    member.socket.terminate()
    await until(() => node.stats().edge?.sessions === 0)
    assert.equal(node.stats().edge?.missed, 3)
  })
})
