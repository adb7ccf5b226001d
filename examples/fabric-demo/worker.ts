/** One of a queue group: handles flights, answers questions about them, does tasks. Argument: its name. */
import { setTimeout as sleep } from "node:timers/promises"
import { join } from "heddle"
import { type Demo, WORKERS } from "./subjects.ts"

/** Milliseconds that a message, a question and a task take, as if a database were asked. */
const HANDLING = 5
const ANSWERING = 10
const WRITING = 60

const fabric = await join<Demo>("demo", { name: process.argv[2] })
const airports = new Map<string, { flights: number; delay: number }>()

const flights = fabric.subscribe(
  "flight.*",
  async ({ data: { id, origin, delay } }) => {
    await sleep(HANDLING)
    const airport = airports.get(origin) ?? { flights: 0, delay: 0 }
    airports.set(origin, airport)
    airport.flights++
    airport.delay += delay
    fabric.publish("seen.handled", id)
  },
  { queue: WORKERS, concurrency: 100 },
)

fabric.serve(
  "ask.delay",
  async ({ data: origin }) => {
    await sleep(ANSWERING)
    const { flights, delay } = airports.get(origin) ?? { flights: 0, delay: 0 }
    return flights === 0 ? 0 : delay / flights
  },
  { queue: WORKERS },
)

fabric.work("report.write", async ({ data: report }) => {
  await sleep(WRITING)
  fabric.publish("seen.task", report)
})

fabric.serve("workers.stop", async () => {
  await flights.drain()
  return null
})

process.once("SIGTERM", () => void fabric.drain())
