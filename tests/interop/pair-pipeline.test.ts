import * as zmq from "zeromq"
import * as draft from "zeromq/draft.js"
import { Gather, Pair, Pull, Push, Scatter } from "../../index.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { carriesEverything } from "./matrix.ts"
import { carries, everyWay, type Frames, frames, ours, QUICK, theirs } from "./support.ts"

describe("interop: PAIR", () => {
  closesAfterEach()

  carriesEverything({
    name: "our Pair to theirs",
    open: async meet => {
      const [from, to] = [ours(new Pair(QUICK)), theirs(new zmq.Pair())]
      await meet(from, to)
      return { send: message => from.send(message), receive: () => to.receive() }
    },
  })

  carriesEverything({
    name: "their Pair to ours",
    open: async meet => {
      const [from, to] = [theirs(new zmq.Pair()), ours(new Pair(QUICK))]
      await meet(to, from)
      return { send: message => from.send(message), receive: () => to.receive() }
    },
  })

  everyWay("both directions at once", async meet => {
    const [our, other] = [ours(new Pair(QUICK)), theirs(new zmq.Pair())]
    await meet(our, other)
    const messages = Array.from({ length: 2000 }, (_, i) => frames(`${i}`, ""))
    const there = carries({ send: message => our.send(message), receive: () => other.receive() }, messages)
    const back = carries({ send: message => other.send(message), receive: () => our.receive() }, messages)
    await Promise.all([there, back])
  })
})

describe("interop: PUSH and PULL", () => {
  closesAfterEach()

  carriesEverything({
    name: "our Push, their Pull",
    open: async meet => {
      const [from, to] = [ours(new Push(QUICK)), theirs(new zmq.Pull())]
      await meet(from, to)
      return { send: message => from.send(message), receive: () => to.receive() }
    },
  })

  carriesEverything({
    name: "their Push, our Pull",
    open: async meet => {
      const [from, to] = [theirs(new zmq.Push()), ours(new Pull(QUICK))]
      await meet(to, from)
      return { send: message => from.send(message), receive: () => to.receive() }
    },
  })
})

describe("interop: SCATTER and GATHER", () => {
  closesAfterEach()

  const one = async (message: Promise<Frames>): Promise<Frames> => [(await message)[0]]

  carriesEverything({
    name: "our Scatter, their Gather",
    multipart: false,
    open: async meet => {
      const [from, to] = [ours(new Scatter(QUICK)), theirs(new draft.Gather())]
      await meet(from, to)
      return { send: ([frame]) => from.send(frame), receive: () => one(to.receive()) }
    },
  })

  carriesEverything({
    name: "their Scatter, our Gather",
    multipart: false,
    open: async meet => {
      const [from, to] = [theirs(new draft.Scatter()), ours(new Gather(QUICK))]
      await meet(to, from)
      return { send: ([frame]) => from.send(frame), receive: () => one(to.receive()) }
    },
  })
})
