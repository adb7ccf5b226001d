import assert from "node:assert/strict"
import { FlushError } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { turns, until } from "../../support/wait.ts"
import { Gate, overTcp, withValve } from "./nodes.ts"

describe("fabric: flush", () => {
  closesAfterEach()

  /** A subscriber that blocks, stands still, and has more than it takes. */
  const stuck = async () => {
    const [a, b] = await overTcp(2)
    const gate = new Gate()
    await b.subscribe("x.>", gate.handler, { policy: "block", limit: 4 }).ready
    await until(() => !a.publish("x.y", 1).taken)
    return { a, b, gate }
  }

  it("FAB-SUB-16 rejects when its time is over, and names whom it waited for", async () => {
    const { a, b, gate } = await stuck()
    await assert.rejects(a.flush({ timeout: 1 }), (error: unknown) => {
      assert.ok(error instanceof FlushError)
      assert.equal(error.code, "ETIMEDOUT")
      assert.deepEqual(
        error.holders.map(({ peer, pattern, waiting }) => [peer.node, pattern, waiting]),
        [[b.id, "x.>", 4]],
      )
      return true
    })
    gate.release()
    await a.flush()
  })

  it("FAB-SUB-16 rejects when it is cancelled, also before it began", async () => {
    const { a, gate } = await stuck()
    const controller = new AbortController()
    const reason = new Error("enough")
    const flushed = a.flush({ signal: controller.signal })
    await turns(3)
    controller.abort(reason)
    await assert.rejects(flushed, { name: "HeddleError", code: "ECANCELED", cause: reason })
    await assert.rejects(a.flush({ signal: controller.signal }), { code: "ECANCELED" })
    gate.release()
    await a.flush({ signal: new AbortController().signal })
  })

  it("FAB-SUB-16 names a node that does not read", async () => {
    const { publisher, subscriber, valve } = await withValve(1024 * 1024)
    valve.stall()
    await assert.rejects(publisher.flush({ timeout: 1 }), (error: unknown) => {
      assert.ok(error instanceof FlushError)
      assert.deepEqual(error.holders, [
        { peer: { node: subscriber.id, name: subscriber.name }, pattern: null, waiting: 0 },
      ])
      return true
    })
    valve.flow()
    await publisher.flush()
  })

  it("FAB-LEA-4 rejects when the fabric is closed before everything was taken", async () => {
    const { a } = await stuck()
    const flushed = assert.rejects(a.flush(), { code: "EBADF" })
    await a.close()
    await flushed
  })

  it("FAB-SUB-18 an option that it does not have is an error", async () => {
    const [a] = await overTcp(1)
    await assert.rejects(
      a.flush({ time: 1 } as object),
      coded("EINVAL", /flush has no option time; it has timeout, signal/),
    )
  })
})
