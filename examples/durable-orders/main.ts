/**
 * Record, crash, replay. Orders are published durably while the bridge is killed in the middle and started again; then it is asked for all that it
 * has. Run: node dist/examples/durable-orders/main.js, and with KAFKA_BOOTSTRAP=host:port to have Kafka for a store.
 */
import { randomUUID } from "node:crypto"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { join } from "heddle"
import { durable, replay } from "heddle/bridge-kafka"
import { ended, ownFolder, start } from "../support/processes.ts"

const ORDERS = 3_000
const SHOPS = ["rome", "oslo", "lima"]

interface Order {
  /** Kafka keeps those of earlier runs. */
  readonly run: string
  readonly number: number
  readonly amount: number
}

ownFolder()
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ledger-"))
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }))
const startLedger = () => start(new URL("./bridge.js", import.meta.url), folder)

const stored = process.env.KAFKA_BOOTSTRAP ? "in Kafka" : "on the bridge's disk"
const began = Date.now()
const run = randomUUID()
let ledger = startLedger()
let crash: Promise<void> | undefined
const fabric = await join("shop", { name: "till" })

// Record: each publish is answered when the order is safe.
const out = durable(fabric, "ledger", { ack: process.env.KAFKA_BOOTSTRAP ? "stored" : "spooled", timeout: 60_000 })
const acknowledged = new Set<number>()
const refused: unknown[] = []
const answers: Promise<void>[] = []
for (let number = 0; number < ORDERS; number++) {
  const order: Order = { run, number, amount: 1 + (number % 90) }
  const subject = `orders.${SHOPS[number % SHOPS.length]}`
  const answer = out.publish(subject, order, { id: `${run}-${number}` }).then(
    () => void acknowledged.add(number),
    error => void refused.push(error),
  )
  answers.push(answer)
  // The bridge may still be starting: the first one waits for it.
  if (number === 0) await answer
  if (number === ORDERS / 2) crash = crashAndRestart()
  if (number % 10 === 9) await sleep(1)
}
await crash
await Promise.all(answers)
console.log(`${acknowledged.size} of ${ORDERS} orders are ${stored}, ${refused.length} were refused`)

// Replay: what the store has, in the order of each shop.
const times = new Map<number, number>()
const last = new Map<string, number>()
let disorder = 0
for await (const message of replay<Order>(fabric, "ledger", { subject: "orders.>", from: { timestamp: began } })) {
  if (message.data.run !== run) continue
  const { number } = message.data
  times.set(number, (times.get(number) ?? 0) + 1)
  if ((last.get(message.subject) ?? -1) > number) disorder++
  last.set(message.subject, number)
}
const missing = [...acknowledged].filter(number => !times.has(number))
const twice = [...times.values()].filter(count => count > 1)
console.log(
  `replayed: ${times.size} orders; missing ${missing.length}, twice ${twice.length}, out of order ${disorder}`,
)

// Or only the newest of each subject.
for await (const { subject, data } of replay<Order>(fabric, "ledger", { mode: "last-per-subject" }))
  console.log(`last of ${subject}: order ${data.number}`)

await fabric.close()
const code = ended(ledger)
ledger.kill("SIGTERM")
console.log(`the bridge ended with code ${await code}`)

/** Crash: no warning, and orders are on their way; others come while nobody is there. */
async function crashAndRestart(): Promise<void> {
  const gone = ended(ledger)
  ledger.kill("SIGKILL")
  await gone
  const waiting = answers.length - acknowledged.size
  console.log(`the bridge is killed: ${acknowledged.size} orders are ${stored}, ${waiting} wait for an answer`)
  ledger = startLedger()
}
