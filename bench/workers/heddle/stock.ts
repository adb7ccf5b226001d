import { Calls } from "../api/calls.ts"
import { check, type StockReply, type StockRequest } from "../api/stock.ts"
import type { Technology } from "../api/technology.ts"
import { joinAt, listenAt, TIMEOUT } from "./fabric.ts"

const ANY_PORT = "tcp://127.0.0.1:0"

/** `serve` and `request`, msgpack. */
export const request = requestAt(ANY_PORT)

/** The same between processes of one machine that find each other by themselves: in shared memory, where it can be. */
export const requestIpc = requestAt("ipc://*")

function requestAt(endpoint: string): Technology {
  return {
    async serve() {
      const fabric = await listenAt(endpoint)
      fabric.serve("stock.check", ({ data }) => check(data as StockRequest))
      return fabric.endpoints[0]
    },

    async dial(address) {
      const fabric = await joinAt(address)
      await fabric.ready({ subject: "stock.check", servers: 1 })
      return {
        check: async request => (await fabric.request("stock.check", request, { timeout: TIMEOUT })).data as StockReply,
        close: () => fabric.close(),
      }
    },
  }
}

/** One event that asks and one that answers, told apart by a number; msgpack. */
export const event: Technology = {
  async serve() {
    const fabric = await listenAt(ANY_PORT)
    fabric.subscribe("stock.asked", ({ data }) => {
      const asked = data as StockRequest & { id: number }
      fabric.publish("stock.answered", { id: asked.id, ...check(asked) })
    })
    return fabric.endpoints[0]
  },

  async dial(address) {
    const fabric = await joinAt(address)
    const calls = new Calls()
    const answers = fabric.subscribe("stock.answered", ({ data }) => {
      const answer = data as StockReply & { id: number }
      calls.settle(answer.id, answer)
    })
    await Promise.all([answers.ready, fabric.ready({ subject: "stock.asked", subscribers: 1 })])
    return {
      check: request => calls.make(id => fabric.publish("stock.asked", { id, ...request })),
      close: () => fabric.close(),
    }
  },
}
