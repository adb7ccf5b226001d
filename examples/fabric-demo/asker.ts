/** Asks without end, several questions at a time. A question whose server died is asked again. */
import { setTimeout as sleep } from "node:timers/promises"
import { HeddleError, join } from "heddle"
import type { Demo } from "./subjects.ts"

const AT_A_TIME = 4
const PAUSE = 10 // milliseconds
const AIRPORTS = ["ATL", "ORD", "DFW", "LAX", "PHX", "DEN"]

const fabric = await join<Demo>("demo", { name: "asker" })
let answered = 0
const errors: string[] = []
let stopped = false

async function ask(): Promise<void> {
  for (let i = 0; !stopped; i++) {
    try {
      const began = performance.now()
      await fabric.request("ask.delay", AIRPORTS[i % AIRPORTS.length], { timeout: 2_000 })
      answered++
      fabric.publish("seen.answer", performance.now() - began)
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error
      errors.push(error.code)
      i--
    }
    await sleep(PAUSE)
  }
}

await fabric.ready({ subject: "ask.delay", servers: 1 })
const asking = Promise.all(Array.from({ length: AT_A_TIME }, ask))

fabric.serve("asker.stop", async () => {
  stopped = true
  await asking
  return { answered, errors }
})

process.once("SIGTERM", () => void fabric.drain())
