import assert from "node:assert/strict"
import type { RequestMessage } from "../../patterns/fabric/browser/message.ts"
import {
  CALL,
  CALL_CANCEL,
  CALL_CREDIT,
  END,
  FAILED,
  MORE,
  OF_SERVE,
  RESULT,
  SERVE,
  SERVING,
  UNSERVE,
} from "../../patterns/fabric/edge/protocol.ts"
import { ServiceError } from "../../patterns/fabric/requests/failures.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { FakeClock } from "../support/clock.ts"
import { turns } from "../support/wait.ts"
import { ScriptedNode, type Wire } from "./scripted-node.ts"

function call(wire: Wire, id: number, data: string, { service = 1, timeout = 60_000, credit = 0 } = {}): void {
  wire.say(CALL, writer =>
    writer
      .varint(id)
      .varint(service)
      .varint(timeout)
      .varint(credit)
      .content("stock.check", 1, "", null, Buffer.from(data)),
  )
}

async function result(wire: Wire): Promise<[id: number, flags: number, text: string]> {
  const body = await wire.hears(RESULT)
  const id = body.varint()
  const flags = body.byte()
  return [id, flags, (flags & END) === 0 ? Buffer.from(body.content().payload).toString() : ""]
}

describe("A client of the edge serves", () => {
  closesAfterEach()

  const options = { codec: "string" }

  it("and answers, at once or later", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const service = fabric.serve(
      "stock.*",
      ({ subject, data }) => (data === "now" ? `${subject}: ${data}` : turns().then(() => "later")),
      {
        queue: "stock",
        concurrency: 4,
        limit: 9,
      },
    )
    const body = await wire.hears(SERVE)
    assert.deepEqual(
      [body.varint(), body.text(), body.text(), body.varint(), body.varint()],
      [1, "stock.*", "stock", 4, 9],
    )
    wire.say(SERVING, writer => writer.varint(1))
    await service.ready
    call(wire, 1, "now")
    call(wire, 2, "wait")
    assert.equal(service.busy, 1)
    assert.deepEqual(await result(wire), [1, 0, "stock.check: now"])
    assert.deepEqual(await result(wire), [2, 0, "later"])
    assert.deepEqual([service.answered, service.busy], [2, 0])
    // Of a service that has ended.
    call(wire, 3, "now", { service: 7 })
    const [id, flags, failure] = await result(wire)
    assert.deepEqual([id, flags, JSON.parse(failure).code], [3, FAILED, "ERR_NO_RESPONDERS"])
  })

  it("and tells what its handlers throw", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const service = fabric.serve("stock.check", async ({ data }) => {
      if (data === "few") throw new ServiceError("TOO_FEW", "too few", { left: 3 })
      if (data === "odd") throw null
      return data === "no form" ? () => 1 : 1
    })
    for (const [i, data] of ["few", "odd", "no form"].entries()) call(wire, i, data)
    const failures = [await result(wire), await result(wire), await result(wire)]
    assert.deepEqual(
      failures.map(([id, flags]) => [id, flags]),
      [
        [0, FAILED],
        [1, FAILED],
        [2, FAILED],
      ],
    )
    assert.deepEqual(JSON.parse(failures[0][2]), {
      name: "ServiceError",
      code: "TOO_FEW",
      message: "too few",
      details: { left: 3 },
    })
    assert.equal(JSON.parse(failures[1][2]).message, "null")
    assert.equal(JSON.parse(failures[2][2]).code, "EINVAL")
    assert.equal(service.failed, 3)
  })

  it("streams, no faster than they are read", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    let ended = false
    fabric.serve("count", function* ({ data }) {
      try {
        for (let i = 0; i < Number(data); i++) yield `${i}`
      } finally {
        ended = true
      }
    })
    call(wire, 1, "3", { credit: 2 })
    assert.deepEqual(
      [await result(wire), await result(wire)],
      [
        [1, MORE, "0"],
        [1, MORE, "1"],
      ],
    )
    await turns(3)
    assert.deepEqual([wire.said.some(({ type }) => type === RESULT), ended], [false, false])
    wire.say(CALL_CREDIT, writer => writer.varint(1).varint(5))
    assert.deepEqual(
      [await result(wire), await result(wire)],
      [
        [1, MORE, "2"],
        [1, END, ""],
      ],
    )
    call(wire, 2, "1000000", { credit: 1 })
    await result(wire)
    ended = false
    wire.say(CALL_CANCEL, writer => writer.varint(2))
    while (!ended) await turns()
    assert.equal(
      wire.said.some(({ type }) => type === RESULT),
      false,
    )
  })

  it("streams, no faster than the node takes them", async () => {
    const clock = new FakeClock()
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    fabric.serve("count", function* () {
      for (let i = 0; ; i++) yield `${i}`
    })
    clock.install()
    try {
      wire.end()
      clock.advance(10)
      const second = node.wires[1]
      await second.welcome({ rate: 50 })
      call(second, 1, "", { credit: 1_000 })
      const results = async (): Promise<number> => {
        await turns(200)
        const count = second.said.filter(({ type }) => type === RESULT).length
        second.said.length = 0
        return count
      }
      // Besides, the service was said again.
      assert.equal(await results(), 49)
      clock.advance(100)
      const more = await results()
      assert.ok(more > 0 && more < 10, `${more} in 100 ms`)
      second.end()
      assert.equal(fabric.status, "resuming")
    } finally {
      await fabric.close()
      clock.restore()
    }
  })

  it("and its handlers hear when nobody waits any more", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const reasons: string[] = []
    const messages: RequestMessage[] = []
    fabric.serve("stock.check", message => {
      messages.push(message)
      return new Promise(resolve => {
        message.signal.addEventListener("abort", () => {
          reasons.push((message.signal.reason as { code: string }).code)
          resolve("in vain")
        })
      })
    })
    call(wire, 1, "a")
    call(wire, 2, "b", { timeout: 1 })
    call(wire, 3, "c")
    assert.ok(messages[0].timeLeft > 1_000)
    wire.say(CALL_CANCEL, writer => writer.varint(1))
    while (reasons.length < 2) await turns()
    await result(wire)
    wire.end()
    assert.deepEqual(reasons, ["ECANCELED", "ETIMEDOUT", "ECONNRESET"])
    const second = await node.wire(1)
    await second.welcome({ resumed: true })
    await second.hears(SERVE)
    await turns(3)
    // What was in hand when the connection broke is answered to nobody.
    assert.deepEqual(second.said, [])
    call(second, 1, "again")
    second.say(CALL_CANCEL, writer => writer.varint(1))
    await turns(3)
    assert.deepEqual([reasons.length, second.said], [4, []])
  })

  it("no more when it is refused, or closed, or drained", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const refused = fabric.serve("secret", () => 1)
    const ready = assert.rejects(refused.ready, { code: "EACCES" })
    wire.refuse(OF_SERVE, 1, "EACCES", "no")
    await ready
    assert.equal(refused.closed, true)
    const closed = fabric.serve("stock", () => 1)
    closed.close()
    await closed.ready
    assert.equal((await wire.hears(UNSERVE)).varint(), 2)
    let finish = (_: string): void => {}
    const drained = fabric.serve("stock", () => new Promise<string>(resolve => (finish = resolve)))
    call(wire, 1, "a", { service: 3 })
    const over = fabric.drain()
    await turns()
    finish("done")
    wire.end()
    await over
    assert.deepEqual([drained.closed, drained.answered, fabric.status], [true, 1, "closed"])
    assert.throws(() => fabric.serve("stock", () => 1), { code: "EBADF" })
  })
})
