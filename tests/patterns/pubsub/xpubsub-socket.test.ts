import assert from "node:assert/strict"
import { Context } from "../../../core/context.ts"
import type { Message } from "../../../core/contract.ts"
import { Subscriber } from "../../../patterns/pubsub/subscriber.ts"
import { XPublisher } from "../../../patterns/pubsub/xpublisher.ts"
import { XSubscriber } from "../../../patterns/pubsub/xsubscriber.ts"
import { IpcTransport } from "../../../transports/ipc.ts"
import { TcpTransport } from "../../../transports/tcp.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { text } from "./support.ts"

const context = new Context([new TcpTransport(), new IpcTransport()])
const subscriber = (options = {}): Subscriber => using(new Subscriber({ context, ...options }))
const xsubscriber = (options = {}): XSubscriber => using(new XSubscriber({ context, ...options }))

async function xpublisher(options = {}): Promise<XPublisher> {
  const pub = using(new XPublisher({ context, ...options }))
  await pub.bind("tcp://127.0.0.1:*")
  return pub
}

const next = async (from: { receive(): Promise<Message> }): Promise<string> => text(await from.receive())

describe("XPublisher and XSubscriber", () => {
  closesAfterEach()

  it("XPUB-10 subscribe and unsubscribe throw without manual, for what is no topic, and when closed", async () => {
    const pub = await xpublisher()
    assert.throws(() => pub.subscribe("a"), { code: "EINVAL", message: /manual/ })
    assert.throws(() => pub.unsubscribe("a"), { code: "EINVAL" })
    pub.manual = true
    assert.throws(() => pub.subscribe(7 as unknown as string), TypeError)
    assert.equal(pub.subscribe("a"), false)
    await pub.close()
    assert.throws(() => pub.subscribe("a"), { code: "EBADF" })
  })

  it("XPUB-3 refuses a verbosity that there is not", async () => {
    const pub = await xpublisher()
    assert.throws(() => Object.assign(pub, { verbosity: "loud" }), { code: "EINVAL" })
    assert.equal(pub.verbosity, null)
  })

  it("XPUB-1, XPUB-4 tells what is subscribed to, and the end of it when the subscriber is gone", async () => {
    const pub = await xpublisher()
    const sub = subscriber()
    sub.connect(pub.lastEndpoint as string)
    sub.subscribe("a", "b")
    assert.deepEqual([await next(pub), await next(pub)].sort(), ["+a", "+b"])
    sub.unsubscribe("a")
    assert.equal(await next(pub), "-a")
    await sub.close()
    assert.equal(await next(pub), "-b")
    assert.equal(pub.topicsCount, 0)
  })

  it("XPUB-3 is changed while it is in use", async () => {
    const pub = await xpublisher()
    const sub = subscriber()
    sub.connect(pub.lastEndpoint as string)
    sub.subscribe("a")
    assert.equal(await next(pub), "+a")
    pub.verbosity = "allSubs"
    sub.subscribe("a")
    assert.equal(await next(pub), "+a")
  })

  it("XSUB-1, XSUB-3, XPUB-6 pass subscriptions and messages, in order", async () => {
    const pub = await xpublisher()
    const sub = xsubscriber()
    sub.connect(pub.lastEndpoint as string)
    await sub.ready()
    await sub.send("\u0001a")
    await sub.send("hello")
    await sub.send(["two", "frames"])
    await sub.send("\u0000a")
    for (const word of ["+a", "hello", "two|frames", "-a"]) assert.equal(await next(pub), word)
  })

  it("XSUB-3 keeps messages for a publisher that is not there yet; XSUB-2 takes all that comes", async () => {
    const first = await xpublisher()
    const address = first.lastEndpoint as string
    await first.close()
    const sub = xsubscriber({ reconnectInterval: 1, reconnectMaxInterval: 1 })
    sub.connect(address)
    await sub.send("\u0001a")
    await sub.send("early")
    const pub = using(new XPublisher({ context, welcomeMessage: "welcome" }))
    await pub.bind(address)
    assert.equal(await next(pub), "+a")
    assert.equal(await next(pub), "early")
    assert.equal(await next(sub), "welcome")
  })

  it("XSUB-7 what was sent right before close arrives", async () => {
    const pubs = [await xpublisher(), await xpublisher()]
    const sub = xsubscriber()
    for (const pub of pubs) sub.connect(pub.lastEndpoint as string)
    await sub.ready({ peers: 2 })
    void sub.send("last")
    void sub.send("words")
    await sub.close()
    for (const pub of pubs) assert.deepEqual([await next(pub), await next(pub)], ["last", "words"])
  })

  it("XPUB-7 a flood of messages stops at the high-water mark, and nothing is lost", async () => {
    const pub = await xpublisher({ receiveHighWaterMark: 10 })
    const sub = xsubscriber({ sendHighWaterMark: 0 })
    sub.connect(pub.lastEndpoint as string)
    await sub.ready()
    const count = 3000
    for (let i = 0; i < count; i++) await sub.send(String(i))
    await until(() => pub.stats().waiting === 10)
    for (let i = 0; i < count; i++) {
      assert.ok(pub.stats().waiting <= 10)
      assert.equal(await next(pub), String(i))
    }
  })

  it("XPUB-9, XPUB-10 a user who decides: another topic than was asked for", async () => {
    const pub = await xpublisher({ manual: true })
    const sub = xsubscriber()
    sub.connect(pub.lastEndpoint as string)
    await sub.send("\u0001a")
    assert.equal(await next(pub), "+a")
    assert.equal(pub.subscribe("x", "y"), true)
    for (const word of ["a", "x", "y"]) await pub.send(word)
    assert.deepEqual([await next(sub), await next(sub)], ["x", "y"])
    await sub.close()
    assert.equal(await next(pub), "-a")
    assert.equal(pub.subscribe("x"), false)
  })

  it("XPUB-11 a cache of last values answers each new subscriber, and nobody else", async () => {
    const pub = await xpublisher({ lastValue: true })
    for (let i = 0; i < 3; i++) {
      const sub = subscriber()
      sub.connect(pub.lastEndpoint as string)
      sub.subscribe("a")
      const [frame] = await pub.receive()
      pub.subscribe(frame.subarray(1))
      await pub.send(["a", `last for ${i}`])
      assert.equal(await next(sub), `a|last for ${i}`)
      await pub.send(["a", "for all"])
      assert.equal(await next(sub), "a|for all")
      assert.equal(sub.tryReceive(), null)
    }
  })

  it("XPUB-12 the welcome message is for those that want it", async () => {
    const pub = await xpublisher({ welcomeMessage: "hello" })
    const subs = ["", "he", "q"].map(topic => {
      const sub = subscriber()
      sub.subscribe(topic)
      sub.connect(pub.lastEndpoint as string)
      return sub
    })
    await pub.ready({ peers: 3 })
    for (const word of ["hello again", "q"]) await pub.send(word)
    assert.equal(await next(subs[0]), "hello")
    assert.equal(await next(subs[1]), "hello")
    assert.equal(await next(subs[2]), "q")
  })

  it("PUB-14 ready counts what is granted with manual", async () => {
    const pub = await xpublisher({ manual: true })
    const sub = subscriber()
    sub.subscribe("a")
    sub.connect(pub.lastEndpoint as string)
    assert.equal(await next(pub), "+a")
    await assert.rejects(pub.ready({ timeout: 1 }), { code: "EAGAIN" })
    const ready = pub.ready({ topic: "a" })
    pub.subscribe("a")
    await ready
  })

  it("XPUB-8 follows more subscriptions than the high-water mark though nobody reads of them", async () => {
    const pub = await xpublisher({ receiveHighWaterMark: 10 })
    const sub = subscriber()
    for (let i = 0; i < 5000; i++) sub.subscribe(`topic ${i};`)
    sub.connect(pub.lastEndpoint as string)
    await until(() => pub.topicsCount === 5000)
    await pub.send("topic 4999;")
    assert.equal(await next(sub), "topic 4999;")
    assert.equal(pub.stats().waiting, 5000)
  })

  it("a proxy of the two keeps count: the last of all that goes is told upstream", async () => {
    const pub = await xpublisher()
    const middle = await xpublisher()
    const upstream = xsubscriber()
    upstream.connect(pub.lastEndpoint as string)
    middle.consume(request => void upstream.send([...request]))
    upstream.consume(news => void middle.send([...news]))
    const subs = [1, 2].map(() => {
      const sub = subscriber()
      sub.connect(middle.lastEndpoint as string)
      sub.subscribe("a")
      return sub
    })
    assert.equal(await next(pub), "+a")
    await middle.ready({ peers: 2 })
    await pub.send("a1")
    for (const sub of subs) assert.equal(await next(sub), "a1")
    await subs[0].close()
    await pub.send("a2")
    assert.equal(await next(subs[1]), "a2")
    await subs[1].close()
    assert.equal(await next(pub), "-a")
    assert.equal(pub.topicsCount, 0)
  })
})
