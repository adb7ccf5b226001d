import type { Subscription } from "heddle"
import type { Arguments } from "../../task.ts"
import type { Parent } from "../parent.ts"
import { joinAt, listenAt } from "./fabric.ts"

/** Messages on the way that the subscriber has not confirmed. */
const WINDOW = 10_000
/** The subscriber confirms in steps of so many. */
const STEP = 500
const RECURRING = 1_000
const SIZE = 64

const patternOf = (i: number): string => (i % 10 === 0 ? `orders.*.${i}.>` : `orders.eu.${i}`)
const subjectOf = (i: number): string => (i % 10 === 0 ? `orders.eu.${i}.created` : `orders.eu.${i}`)

export async function interestsSend(task: Arguments, parent: Parent): Promise<void> {
  const count = task.number("subscriptions")
  const fabric = await listenAt(task.text("endpoint"))
  let confirmed = 0
  let wake: () => void = () => {}
  const confirm = fabric.subscribe("confirmed", ({ data }) => {
    confirmed = data as number
    wake()
  })
  await confirm.ready
  parent.ready(fabric.endpoints[0])
  await fabric.ready({ peers: 1 })
  const began = performance.now()
  await fabric.ready({ subject: "announced" })
  const announced = (performance.now() - began) / 1000
  const payload = Buffer.alloc(SIZE, "x")
  let sent = 0
  const rate = async (subjects: readonly string[]): Promise<number> => {
    const start = performance.now()
    const before = sent
    const end = start + task.number("milliseconds")
    while (performance.now() < end) {
      const limit = Math.min(confirmed + WINDOW, sent + STEP)
      while (sent < limit) fabric.publish(subjects[sent++ % subjects.length], payload)
      if (sent < confirmed + WINDOW) await new Promise(resolve => setImmediate(resolve))
      else await new Promise<void>(resolve => (wake = resolve))
    }
    // The rest of the last step is confirmed with the next one.
    while (confirmed < sent - (sent % STEP)) await new Promise<void>(resolve => (wake = resolve))
    return (sent - before) / ((performance.now() - start) / 1000)
  }
  // A stride that meets every subscription once in an order without a pattern.
  const stride = 7919
  const subjects = Array.from({ length: count }, (_, i) => subjectOf((i * stride) % count))
  const recurring = subjects.slice(0, RECURRING)
  await rate(recurring)
  const hot = await rate(recurring)
  const random = await rate(subjects)
  parent.result({ announced, hot, random })
  await parent.gone
}

export async function interestsReceive(task: Arguments, parent: Parent): Promise<void> {
  const fabric = await joinAt(task.text("endpoint"))
  let got = 0
  const count = (): void => {
    if (++got % STEP === 0) fabric.publish("confirmed", got)
  }
  let last: Subscription | null = null
  for (let i = 0; i < task.number("subscriptions"); i++) last = fabric.subscribe(patternOf(i), count)
  await last?.ready
  fabric.subscribe("announced", () => {})
  await parent.gone
}
