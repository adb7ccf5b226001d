import { ownProcessorTime } from "../publishing.ts"
import { poissonSchedule } from "./schedule.ts"
import { isAnswer, type StockReply, type StockRequest, stockRequest } from "./stock.ts"
import { Latencies, Tally } from "./tally.ts"
import type { Client } from "./technology.ts"

/** Sends request number `index`; rejects when the answer is not the one to it. */
async function call(client: Client, index: number): Promise<void> {
  const request = stockRequest(index)
  const reply = await client.check(request)
  if (!isAnswer(reply, request)) throw wrong(reply, request)
}

function wrong(reply: StockReply, request: StockRequest): Error {
  return new Error(`wrong answer ${JSON.stringify(reply)} to ${JSON.stringify(request)}`)
}

/**
 * Every so many requests one is timed: two readings of the clock and an entry of the histogram for each cost more than the
 * request does with the quickest contestants. A prime: requests that share a batch do not always take turns at being timed.
 */
const TIMED = 17

/**
 * A closed loop: `outstanding` callers, each of which asks again as soon as it has its answer. Nothing is done for a request
 * but to ask, to check the answer, and sometimes to time it: the processor time of this process is said to be the client's.
 */
export async function closedLoop(client: Client, outstanding: number, count: number) {
  const latencies = new Latencies()
  let next = 0
  const caller = async () => {
    while (next < count) {
      const index = next++
      const request = stockRequest(index)
      const before = index % TIMED === 0 ? performance.now() : 0
      const reply = await client.check(request)
      if (before > 0) latencies.add(performance.now() - before)
      if (!isAnswer(reply, request)) throw wrong(reply, request)
    }
  }
  const cpu = ownProcessorTime()
  const before = performance.now()
  await Promise.all(Array.from({ length: outstanding }, caller))
  const seconds = (performance.now() - before) / 1000
  return { seconds, cpu: ownProcessorTime() - cpu, p50: latencies.percentile(50), p99: latencies.percentile(99) }
}

/**
 * Requests on the way at most; those that are due meanwhile wait, and their waiting counts. Memory of both sides and
 * streams of a connection are bounded by it, as they are in any client.
 */
const MOST_OUTSTANDING = 1000

/** Milliseconds after the schedule in which answers still count. */
const PATIENCE = 1000

/** Timers are late by up to a millisecond and some: the rest of a pause is spent in turns of the event loop. */
const TIMER_SLACK = 2

/**
 * An open loop: requests go out when the schedule says so, whatever became of those before. The event loop spins
 * between them, which takes a core for the client: its processor time means nothing here.
 */
export async function openLoop(client: Client, rate: number, seconds: number, seed: number) {
  const due = poissonSchedule(rate, seconds, seed)
  const span = seconds * 1000
  const tally = new Tally(due, span)
  const start = performance.now()
  const elapsed = () => performance.now() - start
  let next = 0
  let outstanding = 0
  let complaint: unknown = null
  const send = async (index: number) => {
    outstanding++
    tally.sent(index, elapsed())
    try {
      await call(client, index)
      tally.answer(index, elapsed())
    } catch (error) {
      complaint ??= error
    }
    outstanding--
  }
  await new Promise<void>(resolve => {
    const turn = () => {
      const now = elapsed()
      while (next < due.length && due[next] <= now && outstanding < MOST_OUTSTANDING) void send(next++)
      const over = next === due.length && outstanding === 0
      if (over || now > span + PATIENCE) return resolve()
      const pause = next < due.length ? due[next] - now : 0
      if (pause > TIMER_SLACK) setTimeout(turn, pause - TIMER_SLACK)
      else setImmediate(turn)
    }
    turn()
  })
  tally.close(elapsed())
  // What is still on the way would disturb whatever is measured next.
  while (outstanding > 0) await new Promise(resolve => setTimeout(resolve, 1))
  if (tally.answered === 0 && complaint) throw complaint
  return tally.result
}
