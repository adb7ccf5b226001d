import assert from "node:assert/strict"
import {
  ASK_MANY,
  ASK_ONE,
  ASK_STREAM,
  CANCEL,
  CREDIT,
  END,
  FAILED,
  MORE,
  REPLY,
  REQUEST,
} from "../../patterns/fabric/edge/protocol.ts"
import { RemoteError } from "../../patterns/fabric/requests/failures.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { turns } from "../support/wait.ts"
import { ScriptedNode, type Wire } from "./scripted-node.ts"

interface Asked {
  id: number
  kind: number
  timeout: number
  credit: number
  subject: string
  data: string
}

async function asked(wire: Wire): Promise<Asked> {
  const body = await wire.hears(REQUEST)
  const [id, kind, timeout, credit] = [body.varint(), body.byte(), body.varint(), body.varint()]
  const { subject, payload } = body.content(null)
  return { id, kind, timeout, credit, subject, data: Buffer.from(payload).toString() }
}

function reply(wire: Wire, id: number, flags: number, text = ""): void {
  wire.say(REPLY, writer => {
    writer.varint(id).byte(flags)
    if ((flags & END) === 0) writer.content(null, (flags & FAILED) === 0 ? 1 : 2, "", null, Buffer.from(text))
  })
}

describe("A client of the edge asks", () => {
  closesAfterEach()

  const options = { codec: "string" }

  it("and gets the answer to its question", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client({ ...options, timeout: 700 })
    const answers = [fabric.request("stock", "warp"), fabric.request("stock", "weft", { timeout: 50_000 })]
    const first = await asked(wire)
    const { timeout, ...rest } = first
    assert.deepEqual(rest, { id: 1, kind: ASK_ONE, credit: 0, subject: "stock", data: "warp" })
    assert.ok(timeout > 0 && timeout <= 700)
    const second = await asked(wire)
    reply(wire, second.id, 0, "two")
    reply(wire, first.id, 0, "one")
    // Nobody waits for it.
    reply(wire, 99, 0, "?")
    assert.deepEqual(
      (await Promise.all(answers)).map(({ data }) => data),
      ["one", "two"],
    )
  })

  it("and gets errors by their codes", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client({ ...options, maxRequests: 2 })
    const nobody = assert.rejects(fabric.request("stock", "a"), { code: "ERR_NO_RESPONDERS", message: "nobody" })
    const thrown = assert.rejects(fabric.request("stock", "b"), (error: RemoteError) => {
      assert.ok(error instanceof RemoteError)
      const { code, remoteName, remoteCode, details, server, message } = error
      assert.deepEqual(
        { code, remoteName, remoteCode, details, server, message },
        {
          code: "ERR_REMOTE",
          remoteName: "E",
          remoteCode: "TOO_FEW",
          details: { left: 3 },
          server: "s",
          message: "few",
        },
      )
      return true
    })
    await assert.rejects(fabric.request("stock", "c"), { code: "EAGAIN" })
    await asked(wire)
    await asked(wire)
    reply(wire, 1, FAILED, JSON.stringify({ code: "ERR_NO_RESPONDERS", message: "nobody" }))
    const failure = {
      code: "ERR_REMOTE",
      name: "E",
      remoteCode: "TOO_FEW",
      details: { left: 3 },
      server: "s",
      message: "few",
    }
    reply(wire, 2, FAILED, JSON.stringify(failure))
    await Promise.all([nobody, thrown])
    const unreadable = assert.rejects(fabric.request("stock", "d"), { code: "ERR_REMOTE" })
    const third = await asked(wire)
    reply(wire, third.id, FAILED, "no JSON")
    await unreadable
    const empty = assert.rejects(fabric.request("stock", "d"), { code: "ERR_REMOTE", message: /without a value/ })
    reply(wire, (await asked(wire)).id, END)
    await empty
  })

  it("and stops when its time is over or the user cancels, and says so", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const control = new AbortController()
    const late = assert.rejects(fabric.request("stock", "a", { timeout: 5 }), { code: "ETIMEDOUT" })
    const cancelled = assert.rejects(fabric.request("stock", "b", { signal: control.signal }), { code: "ECANCELED" })
    const ids = [(await asked(wire)).id, (await asked(wire)).id]
    await late
    assert.equal((await wire.hears(CANCEL)).varint(), ids[0])
    control.abort()
    await cancelled
    assert.equal((await wire.hears(CANCEL)).varint(), ids[1])
    await assert.rejects(fabric.request("stock", "b", { signal: control.signal }), { code: "ECANCELED" })
    reply(wire, ids[1], 0, "too late")
  })

  it("when there is a connection again; what was under way may have been done", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const broken = assert.rejects(fabric.request("stock", "a"), { code: "ECONNRESET", message: /may or may not/ })
    await asked(wire)
    wire.end()
    await broken
    const answer = fabric.request("stock", "b")
    const late = assert.rejects(fabric.request("stock", "c", { timeout: 1 }), { code: "ETIMEDOUT" })
    await late
    const second = await node.wire(1)
    await second.welcome({ resumed: true })
    const { id, data } = await asked(second)
    reply(second, id, 0, "b too")
    assert.deepEqual([data, (await answer).data], ["b", "b too"])
    assert.deepEqual(second.said, [])
  })

  it("for a stream, and grants more as it reads", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const stream = fabric.stream("words", "")
    const { id, kind, credit } = await asked(wire)
    assert.deepEqual([kind, credit], [ASK_STREAM, 64])
    for (let i = 0; i < 40; i++) reply(wire, id, MORE, `${i}`)
    await turns()
    assert.equal(wire.said.length, 0)
    for (let i = 0; i < 40; i++) assert.equal((await stream.next()).value?.data, `${i}`)
    const granted = await wire.hears(CREDIT)
    assert.deepEqual([granted.varint(), granted.varint()], [id, 32])
    const last = stream.next()
    reply(wire, id, END)
    assert.deepEqual(await last, { done: true, value: undefined })
  })

  it("for a stream, and leaves it", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const stream = fabric.stream("words", "")
    const { id } = await asked(wire)
    reply(wire, id, MORE, "one")
    reply(wire, id, MORE, "two")
    for await (const { data } of stream) {
      assert.equal(data, "one")
      break
    }
    assert.equal((await wire.hears(CANCEL)).varint(), id)
    assert.deepEqual(await stream.next(), { done: true, value: undefined })
    const failing = fabric.stream("words", "")
    const second = await asked(wire)
    reply(wire, second.id, MORE, "one")
    reply(wire, second.id, FAILED, JSON.stringify({ code: "ERR_REMOTE", message: "boom" }))
    assert.equal((await failing.next()).value?.data, "one")
    await assert.rejects(failing.next(), { code: "ERR_REMOTE", message: "boom" })
    assert.equal((await failing.next()).done, true)
  })

  it("everybody, until enough have answered", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const ask = async (more: object): Promise<[Asked, AsyncIterableIterator<{ data: unknown }>]> => {
      const replies = fabric.requestMany("who", "", more)
      return [await asked(wire), replies]
    }
    const all = async (replies: AsyncIterable<{ data: unknown }>): Promise<unknown[]> => {
      const got: unknown[] = []
      for await (const { data } of replies) got.push(data)
      return got
    }
    const [max, limited] = await ask({ max: 2 })
    assert.equal(max.kind, ASK_MANY)
    for (const one of ["a", "b", "c"]) reply(wire, max.id, MORE, one)
    assert.deepEqual(await all(limited), ["a", "b"])
    const [wait, patient] = await ask({ wait: 5 })
    reply(wire, wait.id, MORE, "a")
    assert.deepEqual(await all(patient), ["a"])
    const [stall, hasty] = await ask({ stall: 2, wait: 60_000 })
    reply(wire, stall.id, MORE, "a")
    assert.deepEqual(await all(hasty), ["a"])
    const [mark, marked] = await ask({ sentinel: ({ data }: { data: unknown }) => data === "." })
    for (const one of ["a", ".", "c"]) reply(wire, mark.id, MORE, one)
    assert.deepEqual(await all(marked), ["a"])
    const [, nobody] = await ask({ wait: 60_000 })
    reply(wire, 5, FAILED, JSON.stringify({ code: "ERR_NO_RESPONDERS", message: "nobody" }))
    await assert.rejects(all(nobody), { code: "ERR_NO_RESPONDERS" })
  })

  it("nobody any more when it is closed", async () => {
    const node = new ScriptedNode()
    const [fabric] = await node.client(options)
    const one = assert.rejects(fabric.request("stock", "a"), { code: "EBADF" })
    const stream = assert.rejects(fabric.stream("stock", "a").next(), { code: "EBADF" })
    await fabric.close()
    await Promise.all([one, stream])
  })
})
