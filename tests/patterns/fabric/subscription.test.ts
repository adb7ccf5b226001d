import assert from "node:assert/strict"
import { Codecs } from "../../../core/codec.ts"
import { loadMsgpack } from "../../../core/codecs/msgpack.ts"
import type { PolicyName } from "../../../index.ts"
import { QUEUE, SUBSCRIBE } from "../../../patterns/fabric/interest.ts"
import type { Link } from "../../../patterns/fabric/link/link.ts"
import { Envelope, FabricMessage, Origin } from "../../../patterns/fabric/message.ts"
import { type Handler, Subscription, type SubscriptionHost } from "../../../patterns/fabric/subscription.ts"
import { pass, turns } from "../../support/wait.ts"
import { Gate, range } from "./nodes.ts"

const LINK = {} as Link

/** Notes what the subscription tells its node. */
class Host implements SubscriptionHost {
  readonly said: string[] = []
  /** Resolves what `retire` gives. */
  retired: () => void = () => {}

  pause(): void {
    this.said.push("pause")
  }

  resume(): void {
    this.said.push("resume")
  }

  retire(): Promise<void> {
    this.said.push("retire")
    return new Promise(resolve => {
      this.retired = resolve
    })
  }

  done(_: Subscription, link: Link | null): void {
    this.said.push(link === null ? "done here" : "done there")
  }

  dropped(_: Subscription, reason: string): void {
    this.said.push(reason)
  }

  failed(_: Subscription, error: unknown): void {
    this.said.push((error as Error).message)
  }

  ended(): void {
    this.said.push("ended")
  }

  /** What was said since the last call. */
  news(): string[] {
    return this.said.splice(0)
  }
}

interface Options {
  policy?: PolicyName
  limit?: number
  ttl?: number
  group?: string
  concurrency?: number
  most?: number
}

describe("Subscription", () => {
  let origin: Origin
  const open: Subscription[] = []

  before(async () => {
    await loadMsgpack()
    origin = new Origin("node", "name", new Codecs(), true)
  })

  afterEach(() => {
    for (const one of open.splice(0)) one.unsubscribe()
  })

  function make(
    handler: Handler<unknown> | null,
    { policy = "drop-new", limit = 4, ttl = 0, group = "", concurrency = 1, most = 0 }: Options = {},
  ): { host: Host; subscription: Subscription } {
    const host = new Host()
    const kind = group === "" ? SUBSCRIBE : QUEUE
    const lane = { policy, limit, keep: 1, ttl }
    const spec = { id: 1, kind, pattern: "x", group, targeted: false, policy: lane, history: 0, capacity: 1 } as const
    const subscription = new Subscription(host, spec, handler, concurrency, most)
    open.push(subscription)
    return { host, subscription }
  }

  const message = (value: number | string): FabricMessage => {
    const bytes = Buffer.from(String(value))
    return new FabricMessage(new Envelope("x", origin), 1, bytes, 0, bytes.length, null)
  }

  it("FAB-SUB-11 hands over at once what comes from a link, in the next tick what comes from here", async () => {
    const got: unknown[] = []
    const { subscription } = make(({ data }) => void got.push(data))
    subscription.deliver(message("far"), null)
    assert.deepEqual(got, ["far"])
    subscription.post(message("near"))
    subscription.deliver(message("after"), null)
    assert.deepEqual(got, ["far"])
    await turns()
    assert.deepEqual(got, ["far", "near", "after"])
  })

  it("FAB-POL-5 a blocking one asks to wait at three quarters of its limit, and goes on at one quarter", async () => {
    const gate = new Gate()
    const { host, subscription } = make(gate.handler, { policy: "block", limit: 8 })
    for (let i = 0; i < 6; i++) subscription.deliver(message(i), null)
    assert.deepEqual(host.news(), [])
    subscription.deliver(message(6), null)
    assert.deepEqual(host.news(), ["pause"])
    assert.equal(subscription.full, false)
    // What was on the way is taken, however much it is.
    for (let i = 7; i < 100; i++) subscription.deliver(message(i), null)
    assert.equal(subscription.full, true)
    assert.deepEqual(host.news(), [])
    for (let left = 99; left > 2; left--) {
      assert.equal(subscription.queued, left)
      gate.step()
      await turns()
    }
    assert.deepEqual(host.news(), ["resume"])
    assert.equal(subscription.dropped, 0)
  })

  it("FAB-POL-5 publishers go on also where all that waited has become stale", async () => {
    const gate = new Gate()
    const { host, subscription } = make(gate.handler, { policy: "block", limit: 4, ttl: 5 })
    for (let i = 0; i < 4; i++) subscription.deliver(message(i), null)
    assert.deepEqual(host.news(), ["pause"])
    await pass(20)
    gate.release()
    await turns()
    assert.deepEqual(host.news(), ["stale", "stale", "stale", "resume"])
    assert.deepEqual(gate.inside, ["0"])
  })

  it("FAB-QUE-3 a member tells of each message when it is done, failed or dropped", async () => {
    const gate = new Gate()
    const { host, subscription } = make(gate.handler, { group: "q", limit: 1 })
    subscription.deliver(message(1), LINK)
    subscription.deliver(message(2), LINK)
    assert.deepEqual(host.news(), [])
    assert.equal(subscription.post(message(3)), false)
    assert.deepEqual(host.news(), ["done here", "full"])
    gate.release()
    await turns()
    assert.deepEqual(host.news(), ["done there", "done there"])
    const failing = make(
      () => {
        throw new Error("failed")
      },
      { group: "q" },
    )
    failing.subscription.deliver(message(1), LINK)
    assert.deepEqual(failing.host.news(), ["done there", "failed"])
    const iterated = make(null, { group: "q" })
    iterated.subscription.deliver(message(1), LINK)
    assert.deepEqual(iterated.host.news(), [])
    await iterated.subscription.receive()
    assert.deepEqual(iterated.host.news(), ["done there"])
  })

  it("FAB-SUB-12 a handler that throws or rejects is told, and counted", async () => {
    const { host, subscription } = make(({ data }) => {
      if (data === "now") throw new Error("threw")
      return Promise.reject(new Error("rejected"))
    })
    subscription.deliver(message("now"), null)
    subscription.deliver(message("later"), null)
    await turns()
    assert.deepEqual(host.news(), ["threw", "rejected"])
    assert.equal(subscription.failed, 2)
    assert.equal(subscription.delivered, 2)
  })

  it("FAB-SUB-15 drain takes what was on the way, then ends when all is handled", async () => {
    const gate = new Gate()
    const { host, subscription } = make(gate.handler)
    subscription.deliver(message(0), null)
    let over = false
    const draining = subscription.drain().then(() => {
      over = true
    })
    assert.equal(subscription.closed, true)
    // A second call waits as well.
    void subscription.drain()
    await turns()
    subscription.deliver(message(1), null)
    host.retired()
    await turns()
    assert.deepEqual(host.news(), ["retire", "ended"])
    subscription.deliver(message(2), null)
    assert.equal(over, false)
    gate.release()
    await draining
    assert.deepEqual(gate.inside, ["0", "1"])
    await subscription.drain()
  })

  it("FAB-SUB-15 unsubscribe in the middle of drain ends it", async () => {
    const gate = new Gate()
    const { host, subscription } = make(gate.handler)
    subscription.deliver(message(0), null)
    const draining = subscription.drain()
    subscription.unsubscribe()
    host.retired()
    await draining
    gate.release()
    await turns()
    assert.deepEqual(host.news(), ["retire", "ended"])
  })

  it("FAB-SUB-6 forgets what waits when it ends, and tells its node once", async () => {
    const gate = new Gate()
    const { host, subscription } = make(gate.handler)
    for (let i = 0; i < 3; i++) subscription.deliver(message(i), null)
    subscription.unsubscribe()
    subscription.unsubscribe()
    assert.equal(subscription.queued, 0)
    gate.release()
    await turns()
    subscription.deliver(message(3), null)
    assert.equal(subscription.post(message(4)), true)
    await turns()
    assert.deepEqual(gate.inside, ["0"])
    assert.deepEqual(host.news(), ["ended"])
  })

  it("FAB-SUB-7 counts what it has given, and ends at max", async () => {
    const got: unknown[] = []
    const { host, subscription } = make(({ data }) => void got.push(data), { most: 2 })
    for (let i = 0; i < 4; i++) subscription.post(message(i))
    await turns()
    assert.deepEqual(got, ["0", "1"])
    assert.deepEqual(host.news(), ["ended"])
  })

  it("FAB-SUB-21 a long queue is worked off within the budget of the turn: timers run in between", async () => {
    let handled = 0
    let before = -1
    const slow = (): void => {
      handled++
      const end = performance.now() + 0.2
      while (performance.now() < end);
    }
    const { subscription } = make(slow, { limit: 1_000 })
    for (let i = 0; i < 1_000; i++) subscription.post(message(i))
    setImmediate(() => {
      before = handled
    })
    while (handled < 1_000) await turns()
    assert.ok(before > 0 && before < 1_000, `${before}`)
  })

  it("FAB-SUB-13 those who asked first are served first, whatever comes from where", async () => {
    const { subscription } = make(null)
    const first = range(2).map(() => subscription.receive())
    subscription.post(message(1))
    const third = subscription.receive()
    subscription.post(message(2))
    subscription.deliver(message(3), null)
    assert.deepEqual(
      (await Promise.all([...first, third])).map(one => one.data),
      ["1", "2", "3"],
    )
  })
})
