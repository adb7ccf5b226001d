/**
 * The fabric forms, works, loses a process and recovers: two publishers of flight records, three workers in a queue
 * group, and one who asks, each a process; this one pushes tasks, kills a worker, starts it again, and counts.
 * Run: npm start, or node dist/examples/fabric-demo/main.js [SECONDS OF EACH PART, default 3]
 */
import { setTimeout as sleep } from "node:timers/promises"
import { join, type Task } from "heddle"
import { ended, ownFolder, start } from "../support/processes.ts"
import { Display, number } from "./display.ts"
import type { Demo } from "./subjects.ts"
import { Tally } from "./tally.ts"

const PART = Number(process.argv[2] ?? 3) * 1000 // milliseconds
const PUBLISHERS = ["publisher 1", "publisher 2"]
const WORKERS = ["worker 1", "worker 2", "worker 3"]
const TASK_EVERY = 25 // milliseconds
const VICTIM = "worker 2"

if (!(PART > 0)) {
  console.error("usage: node dist/examples/fabric-demo/main.js [SECONDS]    how long each part takes; default 3")
  process.exit(2)
}

ownFolder()
const began = performance.now()
const program = (role: string, ...args: string[]) => start(new URL(`./${role}.js`, import.meta.url), ...args)
const children = new Map(WORKERS.map(name => [name, program("worker", name)]))
for (const [i, name] of PUBLISHERS.entries())
  children.set(name, program("publisher", name, String(i), String(PUBLISHERS.length)))
children.set("asker", program("asker"))

const fabric = await join<Demo>("demo", { name: "main" })
const tally = new Tally(fabric)
await fabric.ready({ peers: children.size })
console.log(`FORM     ${children.size} processes are here, ${since(began)} after the first of them was started`)
await fabric.ready({ subject: "publishers.go", servers: PUBLISHERS.length })
await fabric.ready({ subject: "ask.delay", servers: WORKERS.length })

for await (const _ of fabric.requestMany("publishers.go", null));
const tasks: Task[] = []
const pushing = setInterval(async () => void tasks.push(await fabric.push("report.write", tasks.length)), TASK_EVERY)
await Promise.all(WORKERS.map(name => tally.next(name)))
const display = new Display(tally)
display.say("WORK     two publish flights, three share them, answer questions and do tasks")
await sleep(PART)

const by = new Set<string>()
let allNoticed = (): void => {}
const noticed = new Promise<void>(resolve => {
  allNoticed = resolve
})
const watching = fabric.subscribe("seen.down", ({ fromName, data: name }) => {
  if (name === VICTIM && by.add(fromName).size === PUBLISHERS.length) allNoticed()
})
await watching.ready
const killed = performance.now()
children.get(VICTIM)?.kill("SIGKILL")
await noticed
display.say(`LOSE     ${VICTIM} was killed; both publishers gave its share to the others, ${since(killed)} later`)
await sleep(PART)

const again = performance.now()
children.set(VICTIM, program("worker", VICTIM))
await tally.next(VICTIM)
display.say(`RECOVER  ${VICTIM} is back: it handled its first message ${since(again)} after its process was started`)
await sleep(PART)

let published = 0
for await (const { data } of fabric.requestMany("publishers.stop", null)) published += data
clearInterval(pushing)
await Promise.allSettled(tasks.map(task => task.done()))
const asker = (await fabric.request("asker.stop", null)).data
// Their replies come behind what they said of the last messages.
for await (const _ of fabric.requestMany("workers.stop", null));
display.stop()

const { acknowledged } = fabric.stats().tasks
const redelivered = tasks.filter(task => task.deliveries > 1).length
const lost = published - tally.handled.size
const shares = WORKERS.map(name => `${name} ${number(tally.rows.get(name)?.messages ?? 0)}`)
const failed = asker.errors.length > 0 ? ` (${[...new Set(asker.errors)].join(", ")}, asked again)` : ""
console.log(`
messages  ${number(published)} published, ${number(tally.handled.size)} handled (${shares.join(", ")})
          ${lost} lost with ${VICTIM}, or on the way to it: publish delivers at most once; ${tally.twice} handled twice
tasks     ${tasks.length} pushed, ${acknowledged} done; given to another worker because ${VICTIM} died: ${redelivered}
requests  ${number(asker.answered)} answered; ${asker.errors.length} failed${failed}`)
if (tally.twice > 0 || lost < 0 || acknowledged < tasks.length) process.exitCode = 1

const exits = [...children.values()].map(ended)
for (const child of children.values()) child.kill("SIGTERM")
await Promise.all([...exits, fabric.close()])

function since(time: number): string {
  return `${(performance.now() - time).toFixed(1)} ms`
}
