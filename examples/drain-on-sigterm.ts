/**
 * Leaving in order: a service gets SIGTERM while it works. What it has begun is answered, nothing new reaches it, then
 * the process ends by itself. Run: node dist/examples/drain-on-sigterm.js
 */
import { setTimeout as sleep } from "node:timers/promises"
import { type HeddleError, join } from "heddle"
import { ended, ownFolder, show, start } from "./support/processes.ts"

const REQUESTS = 5
if (process.argv[2] === "service") await service()
else await main()

async function service(): Promise<void> {
  const fabric = await join("leaving", { name: "service" })
  let begun = 0
  fabric.serve("slow.work", async ({ data }) => {
    // Tells the other process when to send the signal; a real service has no such line.
    if (++begun === REQUESTS) fabric.publish("all.begun", null)
    await sleep(100)
    return `answer ${data}`
  })
  // Signals belong to the program, so Heddle does not touch them. `drain` resolves at the latest after its timeout.
  process.once("SIGTERM", async () => {
    console.log("service: SIGTERM, draining")
    await fabric.drain({ timeout: 5_000 })
    console.log("service: drained")
  })
}

async function main(): Promise<void> {
  ownFolder()
  const child = show(start(import.meta.url, "service"))
  const exit = ended(child)
  const fabric = await join("leaving", { name: "client" })
  fabric.subscribe("all.begun", () => void child.kill("SIGTERM"), { max: 1 })
  await fabric.ready({ subject: "slow.work", servers: 1 })
  await fabric.flush()

  const questions = Array.from({ length: REQUESTS }, (_, i) => fabric.request("slow.work", i))
  const answers = await Promise.allSettled(questions)
  console.log(`${answers.filter(one => one.status === "fulfilled").length} of ${REQUESTS} requests were answered`)
  console.log(`the service ended with code ${await exit}`)

  const late = fabric.request("slow.work", "one more").catch((error: HeddleError) => error.code)
  console.log(`a request after that: ${await late}`)
  await fabric.close()
}
