import assert from "node:assert/strict"
import { Server } from "../../../patterns/client-server/server.ts"
import { Pair } from "../../../patterns/pair/pair.ts"
import { Pull } from "../../../patterns/pipeline/pull.ts"
import { Push } from "../../../patterns/pipeline/push.ts"
import { Proxy as SocketProxy } from "../../../patterns/proxy/proxy.ts"
import { Publisher } from "../../../patterns/pubsub/publisher.ts"
import { Subscriber } from "../../../patterns/pubsub/subscriber.ts"
import { XPublisher } from "../../../patterns/pubsub/xpublisher.ts"
import { XSubscriber } from "../../../patterns/pubsub/xsubscriber.ts"
import { Dealer } from "../../../patterns/reqrep/dealer.ts"
import { Reply } from "../../../patterns/reqrep/reply.ts"
import { Request } from "../../../patterns/reqrep/request.ts"
import { Router } from "../../../patterns/reqrep/router.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { coded, text } from "../../support/pattern.ts"
import { ENDPOINTS, QUICK, testContext } from "../../support/sockets.ts"
import { turns, until } from "../../support/wait.ts"

const context = testContext()
const BASE = { context, ...QUICK }
const push = (options = {}) => using(new Push({ ...BASE, ...options }))
const pull = (options = {}) => using(new Pull({ ...BASE, ...options }))
const pair = () => using(new Pair(BASE))

/** Runs it until the end of the test. */
function running(proxy: SocketProxy): SocketProxy {
  const run = proxy.run()
  later(async () => {
    proxy.terminate()
    await run
  })
  return proxy
}

/** A streamer between two bound sockets, and somebody on either side. */
async function streamer(highWaterMark = 1000, endpoint = "ipc://*") {
  const limits = { sendHighWaterMark: highWaterMark, receiveHighWaterMark: highWaterMark }
  const front = pull({ receiveHighWaterMark: highWaterMark })
  const back = push({ sendHighWaterMark: highWaterMark })
  for (const one of [front, back]) await one.bind(endpoint)
  const source = push({ sendHighWaterMark: limits.sendHighWaterMark })
  const sink = pull({ receiveHighWaterMark: limits.receiveHighWaterMark })
  source.connect(front.lastEndpoint as string)
  sink.connect(back.lastEndpoint as string)
  await Promise.all([source.ready(), sink.ready()])
  return { front, back, source, sink }
}

describe("Proxy", () => {
  closesAfterEach()

  describe("what must not work", () => {
    it("what is no socket", () => {
      const no = {} as Pair
      assert.throws(() => new SocketProxy(no, pair()), /^TypeError: Front-end must be a socket object$/)
      assert.throws(() => new SocketProxy(pair(), no), /^TypeError: Back-end must be a socket object$/)
      assert.throws(() => new SocketProxy(pair(), pair(), no), /^TypeError: Capture must be a socket that sends$/)
      assert.throws(
        () => new SocketProxy(pair(), pair(), pull() as unknown as Pair),
        /^TypeError: Capture must be a socket that sends$/,
      )
      assert.throws(() => new SocketProxy(pair(), pair(), null, push() as unknown as Pair), /^TypeError: Control must/)
    })

    it("PROXY-1: two sockets between which nothing can flow", () => {
      assert.throws(() => new SocketProxy(pull(), pull()), coded("EINVAL", /nothing can flow between Pull and Pull/))
      assert.throws(() => new SocketProxy(push(), push()), coded("EINVAL"))
    })

    it("PROXY-1: sockets whose messages are more than frames", () => {
      const server = using(new Server(BASE)) as unknown as Pair
      assert.throws(() => new SocketProxy(server, pair()), coded("EINVAL", /Server.*use Router/))
    })

    it("PROXY-2: sockets without an endpoint", async () => {
      const [front, back] = [pull(), push()]
      const proxy = new SocketProxy(front, back)
      await assert.rejects(proxy.run(), coded("EINVAL", /^Front-end socket must be bound or connected$/))
      await front.bind("ipc://*")
      await assert.rejects(proxy.run(), coded("EINVAL", /^Back-end socket must be bound or connected$/))
      assert.deepEqual([front.closed, back.closed], [false, false])
    })

    it("PROXY-2: run while it runs, and when it is over", async () => {
      const { front, back } = await streamer()
      const proxy = new SocketProxy(front, back)
      const run = proxy.run()
      await assert.rejects(proxy.run(), coded("EBUSY"))
      proxy.terminate()
      await run
      await assert.rejects(proxy.run(), coded("EBADF"))
    })

    it("PROXY-8: pause, resume and terminate before it runs and when it is over", async () => {
      const { front, back } = await streamer()
      const proxy = new SocketProxy(front, back)
      const forbidden = () => {
        for (const step of ["pause", "resume", "terminate"] as const)
          assert.throws(() => proxy[step](), coded("EBADF", /^Socket is closed$/))
      }
      forbidden()
      const run = proxy.run()
      proxy.terminate()
      await run
      forbidden()
    })

    it("PROXY-8: a socket that somebody else closes ends it, with an error", async () => {
      for (const side of ["front", "back"] as const) {
        const sockets = await streamer()
        const run = new SocketProxy(sockets.front, sockets.back).run()
        const rejected = assert.rejects(run, coded("EBADF"))
        void sockets[side].close()
        await rejected
        assert.deepEqual([sockets.front.closed, sockets.back.closed], [true, true])
      }
    })

    it("a socket that somebody else reads ends it, with an error", async () => {
      const { front, back } = await streamer()
      front.consume(() => {})
      await assert.rejects(new SocketProxy(front, back).run(), /^TypeError: consume/)
      assert.deepEqual([front.closed, back.closed], [true, true])
    })

    it("PROXY-3: with nobody behind it, it takes one message and leaves the others at their sender", async () => {
      const [front, back] = [pull({ receiveHighWaterMark: 2 }), push()]
      for (const one of [front, back]) await one.bind("ipc://*")
      const source = push({ sendHighWaterMark: 2 })
      source.connect(front.lastEndpoint as string)
      await source.ready()
      const proxy = running(new SocketProxy(front, back))
      const body = Buffer.alloc(64 * 1024)
      let sent = 0
      for (let idle = 0; idle < 20; idle++) {
        for (; source.trySend(body); sent++) idle = 0
        await turns(5)
      }
      assert.equal(proxy.statistics().front.messagesIn, 1)
      assert.ok(front.stats().waiting <= 3, `${front.stats().waiting} wait`)
      const sink = pull()
      sink.connect(back.lastEndpoint as string)
      for (let i = 0; i < sent; i++) await sink.receive()
      assert.equal(proxy.statistics().back.messagesOut, sent)
    })
  })

  for (const endpoint of ENDPOINTS) {
    it(`PROXY-1, PROXY-3: 20,000 messages through queues of 10, whole and in order, over ${endpoint}`, async () => {
      const { front, back, source, sink } = await streamer(10, endpoint)
      const proxy = running(new SocketProxy(front, back))
      const sending = (async () => {
        for (let i = 0; i < 20_000; i++) await source.send([String(i), "body"])
      })()
      for (let i = 0; i < 20_000; i++) assert.equal(text(await sink.receive()), `${i}|body`)
      await sending
      const { front: one, back: other, undeliverable } = proxy.statistics()
      assert.deepEqual([one.messagesIn, other.messagesOut, undeliverable], [20_000, 20_000, 0])
    })
  }

  it("PROXY-1: from back to front, when it is built the other way round", async () => {
    const { front, back, source, sink } = await streamer()
    const proxy = running(new SocketProxy(back, front))
    await source.send("a")
    assert.equal(text(await sink.receive()), "a")
    assert.equal(proxy.statistics().back.messagesIn, 1)
  })

  it("PROXY-1: Pair and Pair, both ways", async () => {
    const [front, back, left, right] = [pair(), pair(), pair(), pair()]
    for (const [bound, other] of [
      [front, left],
      [back, right],
    ]) {
      await bound.bind("ipc://*")
      other.connect(bound.lastEndpoint as string)
    }
    const proxy = running(new SocketProxy(front, back))
    for (let i = 0; i < 100; i++) {
      await left.send(["to the right", String(i)])
      await right.send(["to the left", String(i)])
    }
    for (let i = 0; i < 100; i++) {
      assert.equal(text(await right.receive()), `to the right|${i}`)
      assert.equal(text(await left.receive()), `to the left|${i}`)
    }
    await until(() => proxy.statistics().front.messagesOut === 100)
    const side = { messagesIn: 100, bytesIn: 1390, messagesOut: 100, bytesOut: 1290 }
    assert.deepEqual(proxy.statistics().front, side)
  })

  it("PROXY-1: one socket with itself sends everything back", async () => {
    const [mirror, one] = [pair(), pair()]
    await mirror.bind("ipc://*")
    one.connect(mirror.lastEndpoint as string)
    const proxy = running(new SocketProxy(mirror, mirror))
    await one.send(["a", "b"])
    assert.equal(text(await one.receive()), "a|b")
    assert.equal(proxy.statistics().front.messagesIn, 1)
  })

  for (const order of ["Router and Dealer", "Dealer and Router"] as const) {
    it(`PROXY-1: a queue of ${order}: each of three clients gets its own replies from two workers`, async () => {
      const [router, dealer] = [using(new Router(BASE)), using(new Dealer(BASE))]
      for (const one of [router, dealer]) await one.bind("ipc://*")
      running(order === "Router and Dealer" ? new SocketProxy(router, dealer) : new SocketProxy(dealer, router))
      for (let i = 0; i < 2; i++) {
        const worker = using(new Reply(BASE))
        worker.connect(dealer.lastEndpoint as string)
        void (async () => {
          for await (const [question] of worker) await worker.send(`re ${question}`)
        })()
      }
      await Promise.all(
        [0, 1, 2].map(async client => {
          const one = using(new Request(BASE))
          one.connect(router.lastEndpoint as string)
          for (let i = 0; i < 20; i++) {
            await one.send(`${client}.${i}`)
            assert.equal(text(await one.receive()), `re ${client}.${i}`)
          }
        }),
      )
    })
  }

  it("PROXY-1: a forwarder of XSubscriber and XPublisher: subscriptions one way, messages the other", async () => {
    const [front, back] = [using(new XSubscriber(BASE)), using(new XPublisher(BASE))]
    for (const one of [front, back]) await one.bind("ipc://*")
    const proxy = running(new SocketProxy(front, back))
    const publisher = using(new Publisher(BASE))
    publisher.connect(front.lastEndpoint as string)
    const subscriber = using(new Subscriber(BASE))
    subscriber.connect(back.lastEndpoint as string)
    subscriber.subscribe("b")
    await publisher.ready()
    await until(() => proxy.statistics().front.messagesOut === 1)
    // The subscription is on its way to the publisher; what is said before it arrives is not heard.
    const heard = subscriber.receive()
    let over = false
    void heard.then(() => {
      over = true
    })
    while (!over) {
      await publisher.send(["a", "unwanted"])
      await publisher.send(["b", "wanted"])
      await turns()
    }
    assert.equal(text(await heard), "b|wanted")
    assert.equal(proxy.statistics().front.messagesIn, proxy.statistics().back.messagesOut)
  })

  it("PROXY-5: replies to clients that left do not stop the others", async () => {
    const router = using(new Router({ ...BASE, mandatory: true }))
    const dealer = using(new Dealer(BASE))
    for (const one of [router, dealer]) await one.bind("ipc://*")
    const proxy = running(new SocketProxy(router, dealer))
    const worker = using(new Dealer(BASE))
    worker.connect(dealer.lastEndpoint as string)
    const client = using(new Dealer(BASE))
    client.connect(router.lastEndpoint as string)
    await client.send("question")
    const [id] = await worker.receive()
    await worker.send(["nobody", "lost"])
    await worker.send([id, "answer"])
    assert.equal(text(await client.receive()), "answer")
    assert.equal(proxy.statistics().undeliverable, 1)
  })

  it("PROXY-6: nothing passes between pause and resume", async () => {
    const { front, back, source, sink } = await streamer()
    const proxy = running(new SocketProxy(front, back))
    await source.send("1")
    assert.equal(text(await sink.receive()), "1")
    proxy.pause()
    proxy.pause()
    await source.send("2")
    await until(() => front.stats().waiting === 1)
    assert.equal(proxy.statistics().front.messagesIn, 1)
    proxy.resume()
    proxy.resume()
    assert.equal(text(await sink.receive()), "2")
  })

  it("PROXY-7: a copy of every message, both ways, for who looks on; without room it is dropped and counted", async () => {
    const [front, back, left, right] = [pair(), pair(), pair(), pair()]
    for (const [bound, other] of [
      [front, left],
      [back, right],
    ]) {
      await bound.bind("ipc://*")
      other.connect(bound.lastEndpoint as string)
    }
    const [capture, watcher] = [push(), pull()]
    await watcher.bind("ipc://*")
    const proxy = running(new SocketProxy(front, back, capture))
    await left.send("unseen")
    assert.equal(text(await right.receive()), "unseen")
    assert.equal(proxy.statistics().captureDropped, 1)
    capture.connect(watcher.lastEndpoint as string)
    await left.send(["question", "1"])
    assert.equal(text(await right.receive()), "question|1")
    await right.send("answer")
    assert.equal(text(await left.receive()), "answer")
    assert.deepEqual([text(await watcher.receive()), text(await watcher.receive())], ["question|1", "answer"])
    await capture.close()
    await left.send("unseen")
    assert.equal(text(await right.receive()), "unseen")
    assert.equal(proxy.statistics().captureDropped, 2)
  })

  it("PROXY-8: terminate closes both sockets, and what was forwarded still arrives", async () => {
    const { front, back, source, sink } = await streamer()
    const [capture, control] = [pair(), pair()]
    const proxy = new SocketProxy(front, back, capture, control)
    const run = proxy.run()
    for (let i = 0; i < 100; i++) await source.send(String(i))
    await until(() => proxy.statistics().back.messagesOut === 100)
    proxy.terminate()
    for (let i = 0; i < 100; i++) assert.equal(text(await sink.receive()), String(i))
    await run
    assert.deepEqual(
      [front, back, capture, control].map(one => one.closed),
      [true, true, false, false],
    )
  })

  it("PROXY-9: steered from afar by a Pair", async () => {
    const { front, back, source, sink } = await streamer()
    const [control, controller] = [pair(), pair()]
    await control.bind("ipc://*")
    controller.connect(control.lastEndpoint as string)
    const run = new SocketProxy(front, back, null, control).run()
    await source.send("four")
    assert.equal(text(await sink.receive()), "four")
    await controller.send("PAUSE")
    await controller.send("STATISTICS")
    const numbers = (await controller.receive()).map(frame => Number(frame.readBigUInt64LE()))
    assert.deepEqual(numbers, [1, 4, 0, 0, 0, 0, 1, 4])
    await source.send("five")
    await until(() => front.stats().waiting === 1)
    await controller.send("RESUME")
    assert.equal(text(await sink.receive()), "five")
    await controller.send("TERMINATE")
    await run
    assert.deepEqual([front.closed, back.closed, control.closed], [true, true, false])
    await controller.send("are you there?")
    assert.equal(text(await control.receive()), "are you there?")
  })

  it("PROXY-9: steered from afar by a Request", async () => {
    const { front, back } = await streamer()
    const [control, controller] = [using(new Reply(BASE)), using(new Request(BASE))]
    await control.bind("ipc://*")
    controller.connect(control.lastEndpoint as string)
    const run = new SocketProxy(front, back, null, control).run()
    for (const command of ["PAUSE", "RESUME", "NONSENSE"]) {
      await controller.send(command)
      assert.equal(text(await controller.receive()), "")
    }
    await controller.send("STATISTICS")
    assert.equal((await controller.receive()).length, 8)
    await controller.send("TERMINATE")
    assert.equal(text(await controller.receive()), "")
    await run
  })
})
