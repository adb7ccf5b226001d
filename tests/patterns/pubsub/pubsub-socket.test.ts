import assert from "node:assert/strict"
import { Context } from "../../../core/context.ts"
import type { Message } from "../../../core/contract.ts"
import { Publisher } from "../../../patterns/pubsub/publisher.ts"
import { Subscriber } from "../../../patterns/pubsub/subscriber.ts"
import { IpcTransport } from "../../../transports/ipc.ts"
import { TcpTransport } from "../../../transports/tcp.ts"
import { COMMAND, command, GREETING, message, octets } from "../../support/bytes.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { RawListener, RawPeer } from "../../support/raw-peer.ts"
import { event, turns, until } from "../../support/wait.ts"

const context = new Context([new TcpTransport(), new IpcTransport()])
const publisher = (options = {}): Publisher => using(new Publisher({ context, ...options }))
const subscriber = (options = {}): Subscriber => using(new Subscriber({ context, ...options }))

const ANY = "tcp://127.0.0.1:*"
const text = (frames: Message): string => frames.join("|")

/** So many messages, as text. */
async function take(from: Subscriber, count: number): Promise<string[]> {
  const found: string[] = []
  while (found.length < count) found.push(text(await from.receive()))
  return found
}

describe("Publisher and Subscriber", () => {
  closesAfterEach()

  it("PUB-12 refuses a subscriber that wants too much, and says so to both", async () => {
    const pub = publisher({ maxSubscriptions: 2 })
    const sub = subscriber({ reconnectInterval: 60_000, reconnectMaxInterval: 60_000 })
    const refused = event(pub.events, "refuse")
    const lost = event(sub.events, "disconnect")
    await pub.bind(ANY)
    sub.subscribe("a", "b", "c")
    sub.connect(pub.lastEndpoint as string)
    assert.equal((await refused).error.code, "ERR_SUBSCRIPTION_LIMIT")
    const { error } = await lost
    assert.equal(error?.code, "ERR_ZMTP_PEER_ERROR")
    assert.match(error?.message ?? "", /more than 2 topics/)
  })

  it("SUB-9 tells a mistake at the call", async () => {
    const sub = subscriber()
    assert.throws(() => sub.subscribe("x".repeat(65537)), { code: "EINVAL" })
    assert.throws(() => sub.subscribe(1 as unknown as string), TypeError)
    assert.equal(sub.topicsCount, 0)
    await sub.close()
    assert.throws(() => sub.subscribe("a"), { code: "EBADF" })
    assert.throws(() => sub.unsubscribe("a"), { code: "EBADF" })
  })

  it("PUB-14 ready rejects with EAGAIN after its timeout, and with EBADF when the socket is closed", async () => {
    const pub = publisher()
    await assert.rejects(pub.ready({ timeout: 1 }), { code: "EAGAIN", message: /0 of 1 peers have subscribed/ })
    const waiting = assert.rejects(pub.ready(), { code: "EBADF" })
    await pub.close()
    await waiting
  })

  for (const address of [ANY, "ipc://*"]) {
    it(`PUB-1, PUB-14 deliver to all subscribers over ${address.slice(0, 3)}, in order`, async () => {
      const pub = publisher()
      await pub.bind(address)
      const subs = ["", "a", "b"].map(topic => {
        const sub = subscriber()
        sub.subscribe(topic)
        sub.connect(pub.lastEndpoint as string)
        return sub
      })
      await pub.ready({ peers: 3 })
      await pub.ready({ peers: 2, topic: "a" })
      for (const word of ["a1", "b1", "c1", "a2", "end"]) await pub.send([word, "body"])
      await pub.send("a end")
      await pub.send("b end")
      assert.deepEqual(await take(subs[0], 5), ["a1|body", "b1|body", "c1|body", "a2|body", "end|body"])
      assert.deepEqual(await take(subs[1], 3), ["a1|body", "a2|body", "a end"])
      assert.deepEqual(await take(subs[2], 2), ["b1|body", "b end"])
    })
  }

  it("PUB-1 delivers every message, in order, to each of fifty, who receive in the ways there are", async () => {
    const pub = publisher({ sendHighWaterMark: 0 })
    await pub.bind(ANY)
    const count = 2000
    const finished = Array.from({ length: 50 }, async (_, i) => {
      const sub = subscriber({ receiveHighWaterMark: 0 })
      sub.subscribe("")
      sub.connect(pub.lastEndpoint as string)
      const numbers: number[] = []
      if (i % 2 === 0) while (numbers.length < count) numbers.push(Number(await sub.receive()))
      else {
        for await (const batch of sub.batches()) {
          numbers.push(...batch.map(Number))
          if (numbers.length >= count) break
        }
      }
      return numbers
    })
    await pub.ready({ peers: 50 })
    for (let i = 0; i < count; i++) await pub.send(String(i))
    const expected = Array.from({ length: count }, (_, i) => i)
    for (const numbers of await Promise.all(finished)) assert.deepEqual(numbers, expected)
    assert.deepEqual(pub.stats().dropped, {})
  })

  it("SUB-2, SUB-3 a subscription and its end reach a publisher at once", async () => {
    const pub = publisher()
    const sub = subscriber()
    await pub.bind(ANY)
    sub.connect(pub.lastEndpoint as string)
    await sub.ready()
    sub.subscribe()
    await pub.ready({ topic: "anything" })
    assert.equal(pub.topicsCount, 1)
    sub.unsubscribe()
    sub.subscribe("a")
    await pub.ready({ topic: "a" })
    await until(() => pub.topicsCount === 1)
    pub.trySend("b")
    pub.trySend("a")
    assert.deepEqual(await take(sub, 1), ["a"])
  })

  it("SUB-4 5,000 subscriptions from before the connection all count, long ones too", async () => {
    const pub = publisher()
    const sub = subscriber({ sendHighWaterMark: undefined })
    for (let i = 0; i < 5000; i++) sub.subscribe(`topic ${i};`)
    const long = [246, 247, 254, 255, 256, 65535, 65536].map(length => String(length).padEnd(length, "x"))
    sub.subscribe(...long)
    sub.connect(await bound(pub))
    await until(() => pub.topicsCount === 5000 + long.length)
    for (const word of ["topic 0;", "topic 4999;", "topic 5000;", ...long]) await pub.send(word)
    assert.deepEqual(await take(sub, 2 + long.length), ["topic 0;", "topic 4999;", ...long])
  })

  it("SUB-4, PUB-9 subscribes again without a call when the publisher is back", async () => {
    const sub = subscriber({ reconnectInterval: 1, reconnectMaxInterval: 1 })
    const first = publisher()
    await first.bind(ANY)
    const address = first.lastEndpoint as string
    sub.subscribe("a")
    sub.connect(address)
    await first.ready()
    const lost = event(sub.events, "disconnect")
    await first.close()
    await lost
    const second = publisher()
    await second.bind(address)
    await second.ready({ topic: "a" })
    await second.send("a back")
    assert.deepEqual(await take(sub, 1), ["a back"])
  })

  it("PUB-3, PUB-9 a publisher that dials sends nothing before the subscription, and forgets it with the connection", async () => {
    const pub = publisher({ reconnectInterval: 1, reconnectMaxInterval: 1 })
    const first = subscriber()
    await first.bind(ANY)
    const address = first.lastEndpoint as string
    first.subscribe("")
    pub.connect(address)
    await pub.send("early")
    await pub.ready()
    await pub.send("heard")
    assert.deepEqual(await take(first, 1), ["heard"])
    const lost = event(pub.events, "disconnect")
    await first.close()
    await lost
    assert.equal(pub.topicsCount, 0)
    await pub.send("meanwhile")
    const second = subscriber()
    second.subscribe("")
    await second.bind(address)
    await pub.ready()
    await pub.send("again")
    assert.deepEqual(await take(second, 1), ["again"])
    assert.deepEqual(pub.stats().dropped, { "no-peer": 2 })
  })

  it("PUB-8, SUB-6 with invertMatching on both sides, deliver what was not asked for", async () => {
    const pub = publisher({ invertMatching: true })
    const sub = subscriber({ invertMatching: true })
    sub.subscribe("a")
    sub.connect(await bound(pub))
    await until(() => pub.topicsCount === 1)
    for (const word of ["a", "b", "ab", "c"]) await pub.send(word)
    assert.deepEqual(await take(sub, 2), ["b", "c"])
  })

  it("PUB-5 a subscriber that does not read misses messages; the other gets them all", async () => {
    const pub = publisher({ sendHighWaterMark: 10 })
    await pub.bind(ANY)
    const deaf = using(await RawPeer.connect(pub.lastEndpoint as string))
    await deaf.shake("SUB")
    await deaf.write(command("SUBSCRIBE"))
    deaf.deafen()
    const sub = subscriber({ receiveHighWaterMark: 0 })
    sub.subscribe("")
    sub.connect(pub.lastEndpoint as string)
    await pub.ready({ peers: 2 })
    const body = Buffer.alloc(100_000)
    let sent = 0
    const deafLost = (): number => pub.stats().peers.find(peer => peer.queued > 0)?.dropped.full ?? 0
    while (deafLost() < 5) {
      await pub.send([String(sent++), body])
      // The other must not fall behind: it gets each before the next is sent.
      assert.equal(String((await sub.receive())[0]), String(sent - 1))
    }
    assert.equal(pub.stats().dropped.full, 5)
    assert.equal(Math.max(...pub.stats().peers.map(peer => peer.queued)), 10)
  })

  it("PUB-15 what was sent right before close arrives", async () => {
    const pub = publisher()
    await pub.bind(ANY)
    const subs = [1, 2].map(() => {
      const sub = subscriber()
      sub.subscribe("")
      sub.connect(pub.lastEndpoint as string)
      return sub
    })
    await pub.ready({ peers: 2 })
    for (const word of ["last", "words"]) void pub.send(word)
    await pub.close()
    for (const sub of subs) assert.deepEqual(await take(sub, 2), ["last", "words"])
  })

  it("PUB-7 with noDrop nothing is lost, and the slowest sets the pace", async () => {
    const pub = publisher({ noDrop: true, sendHighWaterMark: 10 })
    await pub.bind(ANY)
    const subs = [1, 2].map(() => {
      const sub = subscriber({ receiveHighWaterMark: 5 })
      sub.subscribe("")
      sub.connect(pub.lastEndpoint as string)
      return sub
    })
    await pub.ready({ peers: 2 })
    const body = Buffer.alloc(200_000)
    let count = 0
    while (pub.trySend([String(count), body])) {
      count++
      await turns()
    }
    assert.equal(pub.writable, false)
    const waiting = pub.send([String(count++), body])
    const expected = Array.from({ length: count }, (_, i) => String(i))
    const numbers = async (sub: Subscriber): Promise<string[]> => {
      const found: string[] = []
      while (found.length < count) found.push(String((await sub.receive())[0]))
      return found
    }
    assert.deepEqual(await Promise.all(subs.map(numbers)), [expected, expected])
    await waiting
    assert.deepEqual(pub.stats().dropped, {})
  })

  it("PUB-13 with conflate, a slow subscriber gets the newest, whole", async () => {
    const pub = publisher({ conflate: true })
    await pub.bind(ANY)
    const peer = using(await RawPeer.connect(pub.lastEndpoint as string))
    await peer.shake("SUB")
    await peer.write(command("SUBSCRIBE"))
    peer.deafen()
    await pub.ready()
    const body = Buffer.alloc(500_000)
    let last = 0
    while ((pub.stats().dropped.conflated ?? 0) < 5) {
      await pub.send([String(++last), body, "end"])
      await turns()
    }
    assert.equal(pub.stats().queued, 1)
    peer.listen()
    let found: string[] = []
    while (found[0] !== String(last)) {
      found = await peer.readMessage()
      assert.equal(found.length, 3)
      assert.equal(found[2], "end")
    }
  })

  it("SUB-8 with conflate, a subscriber that does not receive keeps the newest, whole", async () => {
    const pub = publisher()
    const sub = subscriber({ conflate: true })
    sub.subscribe("")
    sub.connect(await bound(pub))
    await pub.ready()
    for (let i = 0; i < 10; i++) await pub.send([String(i), "body"])
    await until(() => sub.stats().messagesReceived === 10)
    assert.deepEqual(await take(sub, 1), ["9|body"])
    assert.equal(sub.tryReceive(), null)
    assert.equal(sub.stats().dropped.conflated, 9)
  })

  it("SUB-5 what comes and was not asked for is dropped, and counted", async () => {
    const listener = using(await RawListener.open())
    const sub = subscriber()
    sub.subscribe("a")
    sub.connect(listener.endpoint)
    const peer = await listener.accept()
    await peer.shake("PUB")
    await peer.write(message("stray"), message("a", "b"))
    assert.deepEqual(await take(sub, 1), ["a|b"])
    assert.equal(sub.stats().dropped.filtered, 1)
  })

  it("PUB-2 takes both forms of a subscription from a 3.1 peer and from a 3.0 peer", async () => {
    const pub = publisher()
    await pub.bind(ANY)
    for (const minor of [0, 1]) {
      const greeting = Buffer.from(GREETING)
      greeting[11] = minor
      const peer = using(await RawPeer.connect(pub.lastEndpoint as string))
      await peer.write(greeting)
      await peer.read(64)
      await peer.write(octets("04 19 05 'READY' 0b 'Socket-Type' 00*3 03 'SUB'"))
      await peer.readCommand()
      await peer.write(octets("00 03 01 'ab'"), octets("04 0c 09 'SUBSCRIBE' 'cd'"))
      await until(() => pub.topicsCount === 2)
      await pub.send("ab")
      await pub.send("cd")
      assert.deepEqual([await peer.readMessage(), await peer.readMessage()], [["ab"], ["cd"]])
      await peer.write(octets("04 09 06 'CANCEL' 'ab'"), octets("00 03 00 'cd'"))
      await until(() => pub.topicsCount === 0)
      peer.destroy()
    }
  })

  it("SUB-2, SUB-3 speaks commands to a 3.1 peer, and messages to a 3.0 peer", async () => {
    for (const minor of [0, 1]) {
      const listener = await RawListener.open()
      later(() => listener.close())
      const sub = subscriber()
      sub.subscribe("early")
      sub.connect(listener.endpoint)
      const peer = await listener.accept()
      const greeting = Buffer.from(GREETING)
      greeting[11] = minor
      await peer.write(greeting)
      await peer.read(64)
      await peer.write(octets("04 19 05 'READY' 0b 'Socket-Type' 00*3 03 'PUB'"))
      await peer.readCommand()
      await sub.ready()
      sub.subscribe("")
      sub.unsubscribe("early")
      const found: string[] = []
      while (found.length < 3) {
        const { flags, body } = await peer.readFrame()
        const word = body.toString("latin1", flags === COMMAND ? 1 : 0)
        if (!word.startsWith("PING")) found.push(word)
      }
      if (minor === 1) assert.deepEqual(found, ["SUBSCRIBEearly", "SUBSCRIBE", "CANCELearly"])
      else assert.deepEqual(found, ["\u0001early", "\u0001", "\u0000early"])
    }
  })
})

async function bound(pub: Publisher): Promise<string> {
  await pub.bind(ANY)
  return pub.lastEndpoint as string
}
