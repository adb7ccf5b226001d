import type { Subscription } from "heddle"
import type { Arguments } from "../../task.ts"
import type { Parent } from "../parent.ts"
import { ownProcessorTime } from "../publishing.ts"
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
  /** Messages a second, and nanoseconds of processor time for each of them here and there. */
  const rate = async (subjects: readonly string[]): Promise<{ rate: number; here: number; there: number }> => {
    const before = sent
    const usedThere = await timeThere()
    const usedHere = ownProcessorTime()
    const start = performance.now()
    const end = start + task.number("milliseconds")
    while (performance.now() < end) {
      const limit = Math.min(confirmed + WINDOW, sent + STEP)
      while (sent < limit) fabric.publish(subjects[sent++ % subjects.length], payload)
      if (sent < confirmed + WINDOW) await new Promise(resolve => setImmediate(resolve))
      else await new Promise<void>(resolve => (wake = resolve))
    }
    // The rest of the last step is confirmed with the next one.
    while (confirmed < sent - (sent % STEP)) await new Promise<void>(resolve => (wake = resolve))
    const seconds = (performance.now() - start) / 1000
    const count = sent - before
    const here = ((ownProcessorTime() - usedHere) * 1000) / count
    const there = (((await timeThere()) - usedThere) * 1000) / count
    return { rate: count / seconds, here, there }
  }
  const timeThere = async (): Promise<number> => (await fabric.request("time", null)).data as number
  // A stride that meets every subscription once in an order without a pattern.
  const stride = 7919
  const order = () => Array.from({ length: count }, (_, i) => subjectOf((i * stride) % count))
  const subjects = order()
  const recurring = subjects.slice(0, RECURRING)
  await rate(recurring)
  const hot = await rate(recurring)
  const sentBefore = sent
  const random = await rate(subjects)
  parent.result({
    announced,
    hot: hot.rate,
    hotPublisher: hot.here,
    hotSubscriber: hot.there,
    random: random.rate,
    randomPublisher: random.here,
    randomSubscriber: random.there,
    loop: loopOver(order(), Math.min(count, sent - sentBefore)),
  })
  await parent.gone
}

/** Nanoseconds that it takes to read each of so many strings that nobody has read before: what is the bench's own of a message. */
function loopOver(subjects: readonly string[], count: number): number {
  const before = ownProcessorTime()
  let sum = 0
  for (let i = 0; i < count; i++) {
    const subject = subjects[i]
    for (let at = 0; at < subject.length; at++) sum += subject.charCodeAt(at)
  }
  if (sum === 0) throw new Error("no subject had a character")
  return ((ownProcessorTime() - before) * 1000) / count
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
  fabric.serve("time", ownProcessorTime)
  fabric.subscribe("announced", () => {})
  await parent.gone
}
