import assert from "node:assert/strict"
import * as zmq from "zeromq"
import { Publisher, Pull, Push, Subscriber } from "../../index.ts"
import { freeTcp } from "../support/addresses.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { lastingIpc } from "../support/sockets.ts"
import { eventually, type Frames, type Meeting, ours, QUICK, theirs } from "./support.ts"

interface Binder extends Meeting {
  close(): unknown
}

/** Ends a binder; resolves when its address is free. libzmq closes in the background and says when it has. */
async function gone(binder: Binder, address: string): Promise<void> {
  if (!(binder instanceof zmq.Socket)) {
    await binder.close()
    return
  }
  const closed = new Promise(resolve => binder.events.on("close", resolve))
  await binder.unbind(address)
  await closed
  binder.close()
}

/** Binds one after the other at the same address, and lets each one prove that it is connected. */
async function relay<B extends Binder>(
  address: string,
  makers: readonly (() => B)[],
  prove: (b: B) => Promise<void>,
): Promise<void> {
  for (const make of makers) {
    const binder = make()
    await binder.bind(address)
    await prove(binder)
    await gone(binder, address)
  }
}

interface Pulling extends Binder {
  receive(): Promise<Frames>
}

interface Publishing extends Binder {
  send(message: string): Promise<void>
}

const ADDRESSES: [string, () => string | Promise<string>][] = [
  ["tcp", freeTcp],
  ["ipc", lastingIpc],
]

describe("interop: another binder takes the place", () => {
  closesAfterEach()

  const pulls: (() => Pulling)[] = [
    () => theirs(new zmq.Pull()),
    () => ours(new Pull(QUICK)),
    () => theirs(new zmq.Pull()),
    () => ours(new Pull(QUICK)),
  ]

  for (const [name, free] of ADDRESSES) {
    const pushing = async (push: { connect(address: string): void; send(message: string): Promise<void> }) => {
      const address = await free()
      push.connect(address)
      let next = 0
      let received = -1
      await relay(address, pulls, async pull => {
        // What is sent before the loss is noticed is lost with the old binder: send until the new one has some.
        let number = -1
        const first = pull.receive().then(message => {
          number = Number(`${message[0]}`)
        })
        await eventually(async () => {
          await push.send(`${next++}`)
          return number >= 0 ? true : null
        })
        await first
        // None that an earlier binder had received: those are not sent twice.
        assert.ok(number > received, `${number} came again`)
        received = number
      })
    }

    it(`our Push finds each new Pull (${name})`, () => pushing(ours(new Push(QUICK))))
    it(`their Push finds each new Pull (${name})`, () => pushing(theirs(new zmq.Push())))

    const publishers: (() => Publishing)[] = [
      () => theirs(new zmq.Publisher()),
      () => ours(new Publisher(QUICK)),
      () => theirs(new zmq.Publisher()),
      () => ours(new Publisher(QUICK)),
    ]

    const subscribing = async (sub: Subscriber | zmq.Subscriber) => {
      const address = await free()
      sub.subscribe("yes")
      sub.subscribe("no")
      sub.unsubscribe("no")
      sub.connect(address)
      let round = 0
      await relay(address, publishers, async pub => {
        round++
        let heard = false
        const listening = (async () => {
          // What an earlier publisher had sent may come first; what was unsubscribed from must never come.
          for (let topic = ""; topic !== `yes ${round}`; ) {
            topic = `${(await sub.receive())[0]}`
            assert.match(topic, /^yes/)
          }
          heard = true
        })()
        await eventually(async () => {
          await pub.send(`no ${round}`)
          await pub.send(`yes ${round}`)
          return heard ? true : null
        })
        await listening
      })
    }

    it(`our Subscriber tells each new Publisher its topics (${name})`, () => subscribing(ours(new Subscriber(QUICK))))
    it(`their Subscriber tells each new Publisher its topics (${name})`, () =>
      subscribing(theirs(new zmq.Subscriber())))
  }
})
