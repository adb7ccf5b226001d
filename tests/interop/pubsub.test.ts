import assert from "node:assert/strict"
import * as zmq from "zeromq"
import { Publisher, Subscriber, XPublisher, XSubscriber } from "../../index.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { text } from "../support/pattern.ts"
import { until } from "../support/wait.ts"
import { carriesEverything } from "./matrix.ts"
import { eventually, everyWay, type Flow, type Frames, frames, ours, QUICK, theirs } from "./support.ts"

/** A publisher does not wait for subscribers: these tests are about the messages, not about their loss. */
const NO_LIMIT = { sendHighWaterMark: 0 }

interface Receiving {
  receive(): Promise<Frames>
}

/** The receiver's `receive` waits from the start, because libzmq says its subscriptions only when its thread is called. */
async function fromOurs(pub: Publisher | XPublisher, sub: Receiving): Promise<Flow> {
  const first = sub.receive()
  await pub.ready()
  await pub.send("hello")
  assert.equal(text(await first), "hello")
  return { send: message => pub.send(message), receive: () => sub.receive() }
}

/** A Publisher of libzmq cannot say who has subscribed: it says hello until it is heard. */
async function fromTheirs(pub: zmq.Publisher | zmq.XPublisher, sub: Subscriber | XSubscriber): Promise<Flow> {
  await eventually(async () => {
    await pub.send("hello")
    return sub.tryReceive()
  })
  await pub.send("begin")
  while (text(await sub.receive()) !== "begin") {}
  return { send: message => pub.send(message), receive: () => sub.receive() }
}

describe("interop: PUB and SUB", () => {
  closesAfterEach()

  carriesEverything({
    name: "our Publisher, their Subscriber",
    open: async meet => {
      const [pub, sub] = [ours(new Publisher({ ...QUICK, ...NO_LIMIT })), theirs(new zmq.Subscriber())]
      sub.subscribe()
      await meet(pub, sub)
      return fromOurs(pub, sub)
    },
  })

  carriesEverything({
    name: "their Publisher, our Subscriber",
    open: async meet => {
      const [pub, sub] = [theirs(new zmq.Publisher(NO_LIMIT)), ours(new Subscriber(QUICK))]
      sub.subscribe()
      await meet(sub, pub)
      return fromTheirs(pub, sub)
    },
  })

  carriesEverything({
    name: "our XPublisher, their Subscriber",
    open: async meet => {
      const [pub, sub] = [ours(new XPublisher({ ...QUICK, ...NO_LIMIT })), theirs(new zmq.Subscriber())]
      sub.subscribe()
      await meet(pub, sub)
      return fromOurs(pub, sub)
    },
  })

  carriesEverything({
    name: "their XPublisher, our XSubscriber",
    open: async meet => {
      const [pub, sub] = [theirs(new zmq.XPublisher(NO_LIMIT)), ours(new XSubscriber(QUICK))]
      await sub.send(Buffer.from([1]))
      await meet(sub, pub)
      return fromTheirs(pub, sub)
    },
  })

  everyWay("their Subscriber subscribes and unsubscribes late", async meet => {
    const [pub, sub] = [ours(new Publisher(QUICK)), theirs(new zmq.Subscriber())]
    sub.subscribe("a")
    await meet(pub, sub)
    const first = sub.receive()
    await pub.ready({ topic: "a" })
    await pub.send("b: not yet")
    await pub.send("a1")
    assert.equal(text(await first), "a1")
    sub.subscribe("b")
    await until(() => pub.topicsCount === 2)
    await pub.send("b1")
    assert.equal(text(await sub.receive()), "b1")
    sub.unsubscribe("a")
    await until(() => pub.topicsCount === 1)
    await pub.send("a: no longer")
    await pub.send("b2")
    assert.equal(text(await sub.receive()), "b2")
  })

  everyWay("our Subscriber subscribes and unsubscribes late", async meet => {
    const [pub, sub] = [theirs(new zmq.XPublisher()), ours(new Subscriber(QUICK))]
    sub.subscribe("a")
    await meet(sub, pub)
    assert.equal(text(await pub.receive()), "\x01a")
    await pub.send("b: not yet")
    await pub.send("a1")
    assert.equal(text(await sub.receive()), "a1")
    sub.subscribe("b")
    assert.equal(text(await pub.receive()), "\x01b")
    await pub.send("b1")
    assert.equal(text(await sub.receive()), "b1")
    sub.unsubscribe("a")
    assert.equal(text(await pub.receive()), "\x00a")
    await pub.send("a: no longer")
    await pub.send("b2")
    assert.equal(text(await sub.receive()), "b2")
  })
})

describe("interop: XPUB and XSUB", () => {
  closesAfterEach()

  everyWay("our XPublisher sees their subscriptions and what their XSubscriber says", async meet => {
    const [pub, sub] = [ours(new XPublisher(QUICK)), theirs(new zmq.XSubscriber())]
    await meet(pub, sub)
    const first = sub.receive()
    await sub.send(Buffer.from("\x01topic"))
    assert.equal(text(await pub.receive()), "\x01topic")
    await sub.send(frames("said", "upstream"))
    assert.equal(text(await pub.receive()), "said|upstream")
    await pub.send(frames("topic", "", "down"))
    assert.equal(text(await first), "topic||down")
    await sub.send(Buffer.from("\x00topic"))
    assert.equal(text(await pub.receive()), "\x00topic")
    assert.equal(pub.topicsCount, 0)
  })

  everyWay("their XPublisher sees our subscriptions and what our XSubscriber says", async meet => {
    const [pub, sub] = [theirs(new zmq.XPublisher()), ours(new XSubscriber(QUICK))]
    await meet(sub, pub)
    await sub.send(Buffer.from("\x01topic"))
    assert.equal(text(await pub.receive()), "\x01topic")
    await sub.send(frames("said", "upstream"))
    assert.equal(text(await pub.receive()), "said|upstream")
    await pub.send(frames("topic", "", "down"))
    assert.equal(text(await sub.receive()), "topic||down")
    await sub.send(Buffer.from("\x00topic"))
    assert.equal(text(await pub.receive()), "\x00topic")
  })

  everyWay("our welcome message reaches their Subscriber", async meet => {
    const [pub, sub] = [ours(new XPublisher({ ...QUICK, welcomeMessage: "welcome" })), theirs(new zmq.Subscriber())]
    sub.subscribe("w")
    await meet(pub, sub)
    assert.equal(text(await sub.receive()), "welcome")
  })
})
