import assert from "node:assert/strict"
import * as zmq from "zeromq"
import * as draft from "zeromq/draft.js"
import { Client, Dealer, Reply, Request, Router, Server } from "../../index.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { text } from "../support/pattern.ts"
import { carriesEverything } from "./matrix.ts"
import { assertSame, type Flow, type Frames, frames, ours, QUICK, theirs } from "./support.ts"

interface Talker {
  send(message: Buffer[]): Promise<void>
  receive(): Promise<Frames>
}

/** Each message is asked, compared, and given back as the answer. */
function answers(requester: Talker, replier: Talker): Flow {
  return {
    lockstep: true,
    async send(message) {
      await requester.send(message)
      const question = await replier.receive()
      assertSame(question, message, "the question")
      await replier.send([...question])
    },
    receive: () => requester.receive(),
  }
}

describe("interop: REQ and REP", () => {
  closesAfterEach()

  carriesEverything({
    name: "our Request, their Reply",
    count: 1000,
    open: async meet => {
      const [requester, replier] = [ours(new Request(QUICK)), theirs(new zmq.Reply())]
      await meet(requester, replier)
      return answers(requester, replier)
    },
  })

  carriesEverything({
    name: "their Request, our Reply",
    count: 1000,
    open: async meet => {
      const [requester, replier] = [theirs(new zmq.Request()), ours(new Reply(QUICK))]
      await meet(replier, requester)
      return answers(requester, replier)
    },
  })
})

const ID = Buffer.from("it")

/** A ROUTER knows a peer once it has heard of it. */
async function introduced(dealer: Talker, router: Talker): Promise<{ there: Flow; back: Flow }> {
  await dealer.send(frames("hello"))
  assert.equal(text(await router.receive()), "it|hello")
  return {
    there: {
      send: message => dealer.send(message),
      async receive() {
        const [id, ...message] = await router.receive()
        assertSame([id], [ID], "the routing id")
        return message
      },
    },
    back: { send: message => router.send([ID, ...message]), receive: () => dealer.receive() },
  }
}

describe("interop: DEALER and ROUTER", () => {
  closesAfterEach()

  for (const direction of ["there", "back"] as const) {
    carriesEverything({
      name: `our Dealer ${direction === "there" ? "to" : "from"} their Router`,
      open: async meet => {
        const [dealer, router] = [ours(new Dealer({ ...QUICK, routingId: "it" })), theirs(new zmq.Router())]
        // A ROUTER of libzmq drops what finds a full queue; ours too, without `mandatory`.
        router.sendHighWaterMark = 0
        await meet(dealer, router)
        return (await introduced(dealer, router))[direction]
      },
    })

    carriesEverything({
      name: `their Dealer ${direction === "there" ? "to" : "from"} our Router`,
      open: async meet => {
        const [dealer, router] = [theirs(new zmq.Dealer({ routingId: "it" })), ours(new Router(QUICK))]
        router.sendHighWaterMark = 0
        await meet(router, dealer)
        return (await introduced(dealer, router))[direction]
      },
    })
  }
})

interface Serving {
  send(frame: Buffer, options: { routingId: number }): Promise<void>
  receive(): Promise<[Buffer, { routingId: number }, ...unknown[]]>
}

interface Asking {
  send(frame: Buffer): Promise<void>
  receive(): Promise<Frames>
}

/** A SERVER knows a peer once it has heard of it. */
async function served(client: Asking, server: Serving): Promise<{ there: Flow; back: Flow }> {
  await client.send(Buffer.from("hello"))
  const [hello, route] = await server.receive()
  assert.equal(`${hello}`, "hello")
  return {
    there: {
      send: ([frame]) => client.send(frame),
      async receive() {
        const [frame, { routingId }] = await server.receive()
        assert.equal(routingId, route.routingId)
        return [frame]
      },
    },
    back: {
      send: ([frame]) => server.send(frame, { routingId: route.routingId }),
      receive: async () => [(await client.receive())[0]],
    },
  }
}

describe("interop: SERVER and CLIENT", () => {
  closesAfterEach()

  for (const direction of ["there", "back"] as const) {
    carriesEverything({
      name: `our Client ${direction === "there" ? "to" : "from"} their Server`,
      multipart: false,
      open: async meet => {
        const [client, server] = [ours(new Client(QUICK)), theirs(new draft.Server())]
        server.sendHighWaterMark = 0
        await meet(client, server)
        return (await served(client, server as unknown as Serving))[direction]
      },
    })

    carriesEverything({
      name: `their Client ${direction === "there" ? "to" : "from"} our Server`,
      multipart: false,
      open: async meet => {
        const [client, server] = [theirs(new draft.Client()), ours(new Server(QUICK))]
        await meet(server, client)
        return (await served(client as unknown as Asking, server))[direction]
      },
    })
  }
})
