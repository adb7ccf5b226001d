/** A process that publishes durably, and knows what was acknowledged. */
import { durable } from "../../../bridge-kafka/durable.ts"
import type { PublisherLife, PublisherReport } from "./lives.ts"
import { answer, joinAt, say } from "./talk.ts"

const life = JSON.parse(process.argv[2]) as PublisherLife

if (life.ahead !== 0) {
  const { now } = Date
  Date.now = () => now() + life.ahead
}

/** Longer than any test: what is without an answer at the end is a fault of the bridge. */
const TIMEOUT = 200_000

const fabric = await joinAt("publisher", life)
const { ack, maxInFlight } = life
const out = durable(fabric, life.bridge, { ack, maxInFlight, timeout: TIMEOUT })
const acknowledged: boolean[] = []
const refused: Record<string, number> = {}
let published = 0
let pending = 0
let flowing = false
let wake: (() => void) | null = null

function publishOne(): void {
  const number = published++
  pending++
  out
    .publish(`${life.prefix}.s${number % life.subjects}`, textOf(number), { codec: "string" })
    .then(
      () => {
        acknowledged[number] = true
      },
      (error: { code?: string }) => {
        const code = error.code ?? "?"
        refused[code] = (refused[code] ?? 0) + 1
      },
    )
    .finally(() => {
      pending--
      wake?.()
    })
}

async function room(): Promise<void> {
  while (pending >= maxInFlight) await new Promise<void>(resolve => (wake = resolve))
}

async function publish(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await room()
    publishOne()
  }
}

async function flow(): Promise<void> {
  while (flowing) {
    await publish(5)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}

function textOf(number: number): string {
  return String(number).padEnd(life.size)
}

function report(): PublisherReport {
  const ranges: [number, number][] = []
  for (let number = 0; number < published; number++) {
    if (acknowledged[number] !== true) continue
    const last = ranges.at(-1)
    if (last !== undefined && last[1] === number - 1) last[1] = number
    else ranges.push([number, number])
  }
  return { published, acknowledged: ranges, refused }
}

answer({
  /** Answered when all are on their way. */
  publish: count => publish(Number(count)),
  /** The lossy kind, with the same numbers. */
  plain: async count => {
    await fabric.ready({ subject: `${life.prefix}.s0`, subscribers: 1 })
    for (const end = published + Number(count); published < end; published++) {
      const number = published
      fabric.publish(`${life.prefix}.s${number % life.subjects}`, textOf(number), { codec: "string" })
      if (number % 500 === 499) await fabric.flush()
    }
    await fabric.flush()
  },
  flow: () => {
    flowing = true
    void flow()
  },
  stop: () => {
    flowing = false
  },
  report,
  /** Answered when nothing is without an answer. */
  settled: async () => {
    while (pending > 0) await new Promise<void>(resolve => (wake = resolve))
    return report()
  },
})
say("ready")
