import assert from "node:assert/strict"
import * as zmq from "zeromq"
import { Dealer, Publisher, Pull, Push, Subscriber } from "../../index.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { coded, standing } from "../support/pattern.ts"
import { event, pass, until } from "../support/wait.ts"
import { eventually, everyWay, ours, payload, QUICK, theirs } from "./support.ts"

const BODY = payload(64 * 1024)

function numbered(i: number): Buffer[] {
  return [Buffer.from(`${i}`), BODY]
}

describe("interop: a receiver that does not read", () => {
  closesAfterEach()

  everyWay("stops our Push, and loses nothing", async meet => {
    const push = ours(new Push({ ...QUICK, sendHighWaterMark: 10 }))
    const pull = theirs(new zmq.Pull({ receiveHighWaterMark: 10 }))
    await meet(push, pull)
    await push.ready()
    let sent = 0
    // Full for good: nothing has room any more although the operating system had time to take what it can.
    for (let full = 0; full < 20; ) {
      if (push.trySend(numbered(sent))) {
        sent++
        full = 0
      } else {
        full++
        await pass(5)
      }
    }
    const last = push.send(numbered(sent))
    assert.equal(await standing(last), "waits")
    for (let i = 0; i <= sent; i++) assert.equal(`${(await pull.receive())[0]}`, `${i}`)
    await last
    assert.deepEqual(push.stats().dropped, {})
  })

  everyWay("stops their Push, and loses nothing", async meet => {
    const pull = ours(new Pull({ ...QUICK, receiveHighWaterMark: 10 }))
    const push = theirs(new zmq.Push({ sendHighWaterMark: 10, sendTimeout: 200 }))
    await meet(pull, push)
    await pull.ready()
    let sent = 0
    await assert.rejects(
      async () => {
        for (;;) {
          await push.send(numbered(sent))
          sent++
        }
      },
      { code: "EAGAIN" },
    )
    assert.ok(pull.stats().waiting < sent, "all of it is in our queue, whose limit is 10")
    for (let i = 0; i < sent; i++) assert.equal(`${(await pull.receive())[0]}`, `${i}`)
  })

  everyWay("makes our Publisher drop and count", async meet => {
    const pub = ours(new Publisher({ ...QUICK, sendHighWaterMark: 10 }))
    const sub = theirs(new zmq.Subscriber({ receiveHighWaterMark: 10 }))
    sub.subscribe()
    await meet(pub, sub)
    const first = sub.receive()
    await pub.ready()
    let sent = 0
    while (!((pub.stats().dropped.full ?? 0) > 5)) {
      await pub.send(numbered(sent++))
      await pass(1)
    }
    const dropped = pub.stats().dropped.full as number
    assert.equal(`${(await first)[0]}`, "0")
    let last = 0
    for (let received = 1; received < sent - dropped; received++) {
      const number = Number(`${(await sub.receive())[0]}`)
      assert.ok(number > last, `${number} after ${last}`)
      last = number
    }
    // Neither fewer nor more came than were not counted as dropped.
    await until(() => pub.stats().queued === 0)
    await pub.send("end")
    assert.equal(`${(await sub.receive())[0]}`, "end")
  })

  everyWay("makes their Publisher drop: our queue stays at its limit", async meet => {
    const pub = theirs(new zmq.Publisher({ sendHighWaterMark: 10 }))
    const sub = ours(new Subscriber({ ...QUICK, receiveHighWaterMark: 10 }))
    sub.subscribe()
    await meet(sub, pub)
    await eventually(async () => {
      await pub.send("hello")
      return sub.tryReceive()
    })
    const sent = 1000
    for (let i = 0; i < sent; i++) await pub.send(numbered(i))
    const { waiting } = sub.stats()
    assert.ok(waiting < sent / 2, `${waiting} messages wait, and the limit is 10`)
    let [last, received] = [-1, 0]
    await eventually(async () => {
      await pub.send("end")
      for (let got = sub.tryReceive(); got !== null; got = sub.tryReceive()) {
        if (`${got[0]}` === "end") return true
        if (got.length === 1) continue
        assert.ok(Number(`${got[0]}`) > last)
        last = Number(`${got[0]}`)
        received++
      }
      return null
    })
    assert.ok(received < sent, "it dropped none")
  })
})

/** Many heartbeats, and no connection that ends because the machine is busy. */
const PATIENT = { heartbeatInterval: 10, heartbeatTimeout: 20_000 }

describe("interop: heartbeats", () => {
  closesAfterEach()

  for (const [who, our, other] of [
    ["theirs are answered by us", { heartbeatInterval: 0 }, PATIENT],
    ["ours are answered by them", PATIENT, {}],
    ["both at once", PATIENT, PATIENT],
  ] as const) {
    everyWay(who, async meet => {
      const [us, them] = [ours(new Dealer({ ...QUICK, ...our })), theirs(new zmq.Dealer({ ...other }))]
      let lost = 0
      us.events.on("disconnect", () => lost++)
      await meet(us, them)
      await us.ready()
      const before = us.stats()
      // No message passes: every byte either way belongs to a PING or a PONG. Ten of them are 70 bytes or more.
      await until(() => {
        const now = us.stats()
        return now.bytesReceived >= before.bytesReceived + 70 && now.bytesSent >= before.bytesSent + 70
      })
      assert.equal(lost, 0)
      await us.send("alive")
      assert.equal(`${(await them.receive())[0]}`, "alive")
    })
  }
})

describe("interop: sockets that do not go together", () => {
  closesAfterEach()

  const pairs: [string, RegExp, () => [Push | Publisher, zmq.Push | zmq.Publisher]][] = [
    ["our Push and their Publisher", /PUSH.*PUB/, () => [ours(new Push(QUICK)), theirs(new zmq.Publisher())]],
    ["our Publisher and their Push", /PUB.*PUSH/, () => [ours(new Publisher(QUICK)), theirs(new zmq.Push())]],
  ]

  for (const [name, named, make] of pairs) {
    everyWay(`${name} part, and both sides have an event`, async meet => {
      const [us, them] = make()
      const refused = event(us.events, "handshake:error:protocol")
      // All that libzmq says of it.
      const lost = new Promise(resolve => them.events.on("disconnect", resolve))
      await meet(us, them)
      const { error } = await refused
      assert.ok(coded("ERR_PEER_INCOMPATIBLE", named)(error), `${error}`)
      await lost
      assert.equal(us.stats().peers.filter(peer => peer.connected).length, 0)
    })
  }
})

describe("interop: close", () => {
  closesAfterEach()

  everyWay("our close delivers everything that was sent", async meet => {
    const [push, pull] = [ours(new Push(QUICK)), theirs(new zmq.Pull())]
    await meet(push, pull)
    for (let i = 0; i < 1500; i++) await push.send([`${i}`, payload(10_000)])
    const closed = push.close()
    for (let i = 0; i < 1500; i++) assert.equal(`${(await pull.receive())[0]}`, `${i}`)
    await closed
  })

  everyWay("their close with linger delivers everything that was sent", async meet => {
    const [push, pull] = [theirs(new zmq.Push()), ours(new Pull(QUICK))]
    push.linger = -1
    await meet(pull, push)
    await pull.ready()
    const sending = (async () => {
      for (let i = 0; i < 1500; i++) await push.send([`${i}`, payload(10_000)])
      push.close()
    })()
    for (let i = 0; i < 1500; i++) assert.equal(`${(await pull.receive())[0]}`, `${i}`)
    await sending
  })
})
