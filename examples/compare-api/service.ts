/** One step of an order: stock, payment or shipping. The same work, offered in three ways. */
import { setTimeout as sleep } from "node:timers/promises"
import { join } from "heddle"

const [name, milliseconds] = process.argv.slice(2)
const fabric = await join("orders", { name })

/** Stands for a database, a bank, a label printer: time that passes without load on this machine. */
const step = (): Promise<void> => sleep(Number(milliseconds))

// Asked: somebody waits for the answer.
fabric.serve(`${name}.request`, step)

// Told: it reacts to a fact, and makes its own known.
fabric.subscribe(
  "order.placed",
  async ({ data: id }) => {
    await step()
    fabric.publish(`order.done.${name}`, id)
  },
  { queue: name, concurrency: 100 },
)

// Charged: a task stays with whoever pushed it until it is done.
fabric.work(
  `${name}.task`,
  async ({ data: id }) => {
    await step()
    fabric.publish(`order.done.${name}`, id)
  },
  { concurrency: 100 },
)

process.once("SIGTERM", () => void fabric.drain())
