/**
 * The same order, by requests and by events: three services, each a process, do a step each. Measured is how long
 * whoever places the order has to wait, when the order is complete, and what becomes of it while one service is away.
 * All go over the same fabric, so what differs is the style alone; bench/ compares the fabric with HTTP and gRPC.
 * Run: node dist/examples/compare-api/main.js
 */
import { join } from "heddle"
import { ended, ownFolder, start } from "../support/processes.ts"
import { STEPS, type Way, waysOf } from "./ways.ts"

const ORDERS = 20

ownFolder()
const service = (name: keyof typeof STEPS) => start(new URL("./service.js", import.meta.url), name, String(STEPS[name]))
const services = { stock: service("stock"), payment: service("payment"), shipping: service("shipping") }
const fabric = await join("orders", { name: "orders" })
const ways = waysOf(fabric)
const everybody = (): Promise<unknown> =>
  Promise.all(Object.keys(STEPS).map(name => fabric.ready({ subject: `${name}.task`, workers: 1 })))
await everybody()
await fabric.flush()

console.log("stock takes 10 ms, payment 30, shipping 20. Medians of 20 orders, one at a time:\n")
line("", "caller waits", "order complete")
for (const [name, way] of Object.entries(ways)) {
  await order(way) // The first use of a subject is not what is measured.
  const times = []
  for (let i = 0; i < ORDERS; i++) times.push(await order(way))
  line(name, `${median(times.map(one => one.waited))} ms`, `${median(times.map(one => one.complete))} ms`)
}

console.log("\npayment is killed, 20 orders are placed each way, then payment is started again:\n")
const away = new Promise<void>(resolve => fabric.events.on("leave", () => resolve()))
services.payment.kill("SIGKILL")
await away
const outcomes: Record<string, { refused: number; complete: number }> = {}
for (const [name, way] of Object.entries(ways)) {
  const outcome = { refused: 0, complete: 0 }
  outcomes[name] = outcome
  for (let i = 0; i < ORDERS; i++) await way(() => outcome.complete++).catch(() => outcome.refused++)
}
services.payment = service("payment")
await everybody()
await new Promise<void>(resolve => {
  const timer = setInterval(() => {
    if (outcomes.tasks.complete < ORDERS) return
    clearInterval(timer)
    resolve()
  }, 10)
})
line("", "caller is told", "complete in the end")
for (const [name, { refused, complete }] of Object.entries(outcomes))
  line(name, refused > 0 ? `${refused} refused` : "all accepted", `${complete} of ${ORDERS}`)

console.log(`
Ask (request) when you cannot go on without the answer, and who asked shall hear of a failure: a price, a login, "is
there one left?". You wait for the slowest service, or for the sum of all when they are asked in turn, and you cannot
work while one of them is away. A refusal undoes nothing: the stock that was taken before payment failed stays taken
until you give it back.

Publish (an event) when others shall know what has happened, and you need not know who they are. You go on at once, and
a fourth service can listen without a change here. The order is complete no sooner: work takes what it takes. Who is
away does not hear of it: the orders that nobody took payment for stay incomplete, and nobody got an error. The result
of publish says how many nodes it went to; here it went to two instead of three.

Push (a task) when it must be done, but need not be done yet. It waits for a worker, and goes to another one when a
worker dies; it is lost when the process dies that pushed it. It may be done twice, so doing it twice must do no harm.

With events and tasks a failure reaches the caller later, as one more event, if you write that. When a person waits for
the result, you need a way to tell them, and often a request is the simpler program.`)

const exits = Object.values(services).map(ended)
for (const one of Object.values(services)) one.kill("SIGTERM")
await Promise.all([...exits, fabric.close()])

/** Milliseconds until the caller may go on, and until all is done. */
async function order(way: Way): Promise<{ waited: number; complete: number }> {
  const began = performance.now()
  let waited = 0
  const complete = await new Promise<number>((resolve, reject) => {
    way(() => resolve(performance.now() - began)).then(() => {
      waited = performance.now() - began
    }, reject)
  })
  return { waited: waited || complete, complete }
}

function median(times: number[]): string {
  return times.sort((a, b) => a - b)[times.length >> 1].toFixed(2)
}

function line(...cells: string[]): void {
  const [first, ...rest] = cells
  console.log(first.padEnd(20) + rest.map(cell => cell.padStart(22)).join(""))
}
