import assert from "node:assert/strict"
import * as zmq from "zeromq"
import { Dealer } from "../../../patterns/reqrep/dealer.ts"
import { Reply } from "../../../patterns/reqrep/reply.ts"
import { Request } from "../../../patterns/reqrep/request.ts"
import { Router } from "../../../patterns/reqrep/router.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { text } from "../../support/pattern.ts"
import { ENDPOINTS, QUICK, testContext } from "../../support/sockets.ts"
import { event } from "../../support/wait.ts"

const base = { context: testContext(), ...QUICK }

/** A socket of the npm package `zeromq`, which is libzmq; closed after the test. */
function theirs<T extends { linger: number; close(): void }>(socket: T): T {
  socket.linger = 0
  later(() => socket.close())
  return socket
}

interface Bindable {
  bind(address: string): Promise<void>
  connect(address: string): void
  readonly lastEndpoint: string | null
}

/** Joins two sockets, one of them bound. */
async function join(bound: Bindable, dialling: Bindable, endpoint: string): Promise<void> {
  await bound.bind(bound instanceof zmq.Socket ? endpoint.replace(/:0$/, ":*") : endpoint)
  dialling.connect(bound.lastEndpoint as string)
}

describe("REQ, REP, DEALER and ROUTER with libzmq", () => {
  closesAfterEach()

  for (const endpoint of ENDPOINTS) {
    for (const [who, weBind] of [
      ["Heddle bound", true],
      ["libzmq bound", false],
    ] as [string, boolean][]) {
      const meet = (ours: Bindable, others: Bindable): Promise<void> =>
        weBind ? join(ours, others, endpoint) : join(others, ours, endpoint)

      for (const correlate of [false, true]) {
        it(`our Request, their Reply, correlate ${correlate}, ${endpoint}, ${who}`, async () => {
          const [ours, others] = [using(new Request({ ...base, correlate })), theirs(new zmq.Reply())]
          await meet(ours, others)
          for (let i = 0; i < 20; i++) {
            await ours.send([`${i}`, ""])
            assert.equal(text(await others.receive()), `${i}|`)
            await others.send(["reply", `${i}`])
            assert.equal(text(await ours.receive()), `reply|${i}`)
          }
        })

        it(`their Request, our Reply, correlate ${correlate}, ${endpoint}, ${who}`, async () => {
          const [ours, others] = [using(new Reply(base)), theirs(new zmq.Request({ correlate }))]
          await meet(ours, others)
          for (let i = 0; i < 20; i++) {
            await others.send([`${i}`, ""])
            assert.equal(text(await ours.receive()), `${i}|`)
            await ours.send(["reply", `${i}`])
            assert.equal(text(await others.receive()), `reply|${i}`)
          }
        })
      }

      it(`our Router, their Dealer with an id, ${endpoint}, ${who}`, async () => {
        const [ours, others] = [using(new Router(base)), theirs(new zmq.Dealer({ routingId: "them" }))]
        await meet(ours, others)
        for (let i = 0; i < 20; i++) {
          await others.send(["", `${i}`])
          assert.equal(text(await ours.receive()), `them||${i}`)
          await ours.send(["them", "", `reply ${i}`])
          assert.equal(text(await others.receive()), `|reply ${i}`)
        }
      })

      it(`our Dealer with an id, their Router, ${endpoint}, ${who}`, async () => {
        const [ours, others] = [using(new Dealer({ ...base, routingId: "us" })), theirs(new zmq.Router())]
        await meet(ours, others)
        for (let i = 0; i < 20; i++) {
          await ours.send(["", `${i}`])
          assert.equal(text(await others.receive()), `us||${i}`)
          await others.send(["us", "", `reply ${i}`])
          assert.equal(text(await ours.receive()), `|reply ${i}`)
        }
      })

      it(`PRES-2: our Router probes theirs, and each knows the other by name, ${endpoint}, ${who}`, async () => {
        const ours = using(new Router({ ...base, routingId: "us", probeRouter: true }))
        const others = theirs(new zmq.Router({ routingId: "them", probeRouter: true }))
        await meet(ours, others)
        assert.equal(text(await others.receive()), "us|")
        assert.equal(text(await ours.receive()), "them|")
        await ours.send(["them", "x"])
        await others.send(["us", "y"])
        assert.equal(text(await others.receive()), "us|x")
        assert.equal(text(await ours.receive()), "them|y")
      })
    }
  }

  it("ROUTER-10: our Router names their Dealer at once", async () => {
    const [ours, others] = [using(new Router(base)), theirs(new zmq.Dealer({ routingId: "its own" }))]
    await others.bind("tcp://127.0.0.1:*")
    ours.connect(others.lastEndpoint as string, { routingId: "mine" })
    await ours.send(["mine", "x"])
    assert.equal(text(await others.receive()), "x")
    await others.send("y")
    assert.equal(text(await ours.receive()), "mine|y")
  })

  it("ROUTER-7: their second Dealer with the same id gets in when the first has gone, and loses nothing", async () => {
    const ours = using(new Router(base))
    await ours.bind("tcp://127.0.0.1:0")
    const first = new zmq.Dealer({ routingId: "them", linger: 0 })
    first.connect(ours.lastEndpoint as string)
    await first.send("first")
    assert.equal(text(await ours.receive()), "them|first")
    const second = theirs(new zmq.Dealer({ routingId: "them", reconnectInterval: 5 }))
    const refused = event(ours.events, "refuse")
    second.connect(ours.lastEndpoint as string)
    await second.send("second")
    await refused
    first.close()
    assert.equal(text(await ours.receive()), "them|second")
  })

  it("REP-2: our Reply behind their Router and Dealer", async () => {
    const [front, back] = [theirs(new zmq.Router()), theirs(new zmq.Dealer())]
    await front.bind("tcp://127.0.0.1:*")
    await back.bind("tcp://127.0.0.1:*")
    const forward = async (from: zmq.Router | zmq.Dealer, to: zmq.Router | zmq.Dealer): Promise<void> => {
      for (let i = 0; i < 20; i++) await to.send(await from.receive())
    }
    const forwarding = [forward(front, back), forward(back, front)]
    const [ours, asking] = [using(new Reply(base)), using(new Request({ ...base, correlate: true }))]
    ours.connect(back.lastEndpoint as string)
    asking.connect(front.lastEndpoint as string)
    const consumer = ours.consume(request => ours.trySend(["re", ...request]))
    for (let i = 0; i < 20; i++) {
      await asking.send(`${i}`)
      assert.equal(text(await asking.receive()), `re|${i}`)
    }
    consumer.stop()
    await Promise.all(forwarding)
  })
})
