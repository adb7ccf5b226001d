/**
 * A work queue that survives its workers: three processes work, one is killed, every task is done.
 * Run: node dist/examples/work-queue.js
 */
import { setTimeout as sleep } from "node:timers/promises"
import { join } from "heddle"
import { ended, ownFolder, start } from "./support/processes.ts"

const TASKS = 40
const [name] = process.argv.slice(2)
if (name === undefined) await main()
else await worker(name)

async function worker(me: string): Promise<void> {
  const fabric = await join("work", { name: me })
  // The task counts as done when this promise resolves. If the process dies before, another worker gets it.
  fabric.work("jobs.square", async ({ data }) => {
    await sleep(20)
    fabric.publish("results", { task: data, result: data * data })
  })
  process.once("SIGTERM", () => void fabric.drain())
}

async function main(): Promise<void> {
  ownFolder()
  const names = ["worker 1", "worker 2", "worker 3"]
  const workers = names.map(one => start(import.meta.url, one))
  const fabric = await join("work", { name: "main" })

  const results: { task: number; by: string }[] = []
  fabric.subscribe("results", ({ data, fromName }) => {
    results.push({ task: data.task, by: fromName })
    if (results.length === TASKS / 4) {
      workers[1].kill("SIGKILL")
      console.log(`worker 2 is killed after ${results.length} results`)
    }
  })
  await fabric.ready({ subject: "jobs.square", workers: 3 })
  await fabric.flush()

  const tasks = []
  for (let number = 1; number <= TASKS; number++) tasks.push(await fabric.push("jobs.square", number))
  await Promise.all(tasks.map(task => task.done()))
  await fabric.flush()

  for (const one of names) console.log(`${one}: ${results.filter(({ by }) => by === one).length} results`)
  const again = tasks.flatMap((task, index) => (task.deliveries > 1 ? [index + 1] : []))
  const distinct = new Set(results.map(({ task }) => task)).size
  console.log(`delivered twice: ${again.join(", ") || "none"}`)
  console.log(`done twice: ${results.length - distinct}`)
  console.log(`${distinct} of ${TASKS} tasks are done`)

  const exits = workers.filter(one => one.signalCode === null && one.exitCode === null).map(ended)
  for (const one of workers) one.kill("SIGTERM")
  await Promise.all([...exits, fabric.close()])
}
