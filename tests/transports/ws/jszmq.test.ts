import assert from "node:assert/strict"
import { createRequire } from "node:module"
import { Dealer, Publisher, Pull, Push, Reply, Request, Router, Subscriber } from "../../../index.ts"
import { freeTcp } from "../../support/addresses.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { KINDS } from "./web-suite.ts"

/** The parts of jszmq that are used: the API of the old npm package `zeromq`. */
interface JsSocket {
  connect(address: string): void
  bindSync(address: string): void
  subscribe(topic: string): void
  send(message: string | readonly string[]): void
  close(): void
  on(event: "message", listener: (...frames: Buffer[]) => void): void
}

const loaded = (() => {
  try {
    return createRequire(import.meta.url)("jszmq") as { socket(type: string): JsSocket }
  } catch {
    return null
  }
})()

/** A socket of theirs, and what it got. */
function theirs(type: string): { socket: JsSocket; got: string[] } {
  const socket = (loaded as { socket(type: string): JsSocket }).socket(type)
  const got: string[] = []
  socket.on("message", (...frames) => got.push(frames.map(String).join("|")))
  later(() => socket.close())
  return { socket, got }
}

const text = (message: readonly Buffer[]): string => message.map(String).join("|")
const freeWs = async (): Promise<string> => `${(await freeTcp()).replace("tcp:", "ws:")}/`

if (loaded === null) describe("jszmq", () => it.skip("is not installed"))
else {
  for (const kind of KINDS) {
    describe(`jszmq connects to sockets by ${kind}`, () => {
      closesAfterEach()
      let before: string | undefined
      beforeEach(() => {
        before = process.env.HEDDLE_WS
        process.env.HEDDLE_WS = kind
      })
      afterEach(() => {
        if (before === undefined) delete process.env.HEDDLE_WS
        else process.env.HEDDLE_WS = before
      })

      it("push to Pull, and Push to pull", async () => {
        const pull = using(new Pull())
        await pull.bind("ws://127.0.0.1:*")
        const push = theirs("push")
        push.socket.connect(pull.lastEndpoint as string)
        push.socket.send(["a", "", "b"])
        assert.equal(text(await pull.receive()), "a||b")
        const ours = using(new Push())
        await ours.bind("ws://127.0.0.1:*")
        const puller = theirs("pull")
        puller.socket.connect(ours.lastEndpoint as string)
        await ours.send(["c", "d"])
        await until(() => puller.got.length === 1)
        assert.deepEqual(puller.got, ["c|d"])
      })

      it("sub to Publisher", async () => {
        const publisher = using(new Publisher())
        await publisher.bind("ws://127.0.0.1:*")
        const sub = theirs("sub")
        sub.socket.subscribe("a")
        sub.socket.connect(publisher.lastEndpoint as string)
        await until(() => {
          void publisher.send(["a0", "x"])
          return sub.got.length > 0
        })
        await publisher.send(["b", "x"])
        await publisher.send(["a1", "y"])
        await until(() => sub.got.at(-1) === "a1|y")
        assert.ok(sub.got.every(one => one.startsWith("a")))
      })

      it("req to Reply, req to Router, dealer to Router", async () => {
        const reply = using(new Reply())
        await reply.bind("ws://127.0.0.1:*")
        const req = theirs("req")
        req.socket.connect(reply.lastEndpoint as string)
        req.socket.send("question")
        assert.equal(text(await reply.receive()), "question")
        await reply.send("answer")
        await until(() => req.got.length === 1)
        assert.deepEqual(req.got, ["answer"])
        const router = using(new Router())
        await router.bind("ws://127.0.0.1:*")
        const dealer = theirs("dealer")
        dealer.socket.connect(router.lastEndpoint as string)
        dealer.socket.send(["", "hello"])
        const [id, ...rest] = await router.receive()
        assert.equal(text(rest), "|hello")
        await router.send([id, "", "you"])
        await until(() => dealer.got.length === 1)
        assert.deepEqual(dealer.got, ["|you"])
      })
    })
  }

  describe("Sockets connect to jszmq", () => {
    closesAfterEach()

    it("Push to pull, Request to rep, Dealer to router, Subscriber to pub", async () => {
      const pull = theirs("pull")
      const address = await freeWs()
      pull.socket.bindSync(address)
      const push = using(new Push())
      push.connect(address)
      await push.send(["a", "b"])
      await until(() => pull.got.length === 1)
      assert.deepEqual(pull.got, ["a|b"])

      const rep = theirs("rep")
      const second = await freeWs()
      rep.socket.bindSync(second)
      rep.socket.on("message", frame => rep.socket.send(`re: ${frame}`))
      const request = using(new Request())
      request.connect(second)
      await request.send("question")
      assert.equal(text(await request.receive()), "re: question")

      const router = theirs("router")
      const third = await freeWs()
      router.socket.bindSync(third)
      router.socket.on("message", (id, frame) => router.socket.send([id as unknown as string, `re: ${frame}`]))
      const dealer = using(new Dealer())
      dealer.connect(third)
      await dealer.send("hello")
      assert.equal(text(await dealer.receive()), "re: hello")

      const pub = theirs("pub")
      const fourth = await freeWs()
      pub.socket.bindSync(fourth)
      const subscriber = using(new Subscriber())
      subscriber.subscribe("a")
      subscriber.connect(fourth)
      let message = ""
      void subscriber.receive().then(one => {
        message = text(one)
      })
      await until(() => {
        pub.socket.send(["b", "x"])
        pub.socket.send(["a1", "y"])
        return message !== ""
      })
      assert.equal(message, "a1|y")
    })
  })
}
