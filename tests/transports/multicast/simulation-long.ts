/**
 * The long run: many scenarios over several processes. The result is one JSON line on stdout; progress goes to stderr.
 * node dist/tests/transports/multicast/simulation-long.js [scenarios, default 100,000] [first seed, default 1] [processes]
 */
import { type ChildProcess, fork } from "node:child_process"
import os from "node:os"
import { fileURLToPath } from "node:url"
import { type Outcome, play } from "./scenario-run.ts"
import { makeScenario } from "./scenarios.ts"

/** Scenarios that a process is given at a time. */
const PORTION = 100
/** Seeds that are named; more failures are only counted. */
const MOST_NAMED = 50
/** Between two lines of progress (milliseconds). */
const PROGRESS = 10_000

interface Failure {
  readonly seed: number
  readonly error: string
}

/** What a process says of a portion. */
interface Report {
  readonly scenarios: number
  readonly sum: Outcome
  readonly failures: readonly Failure[]
}

export interface Result extends Report {
  readonly first: number
  readonly failed: number
  readonly seconds: number
  readonly processes: number
}

const NOTHING: Outcome = { delivered: 0, missed: 0, naks: 0, repairs: 0, datagrams: 0, lost: 0, virtualTime: 0 }

function playPortion(first: number, count: number): Report {
  const failures: Failure[] = []
  let sum = NOTHING
  for (let seed = first; seed < first + count; seed++) {
    try {
      sum = add(sum, play(makeScenario(seed)))
    } catch (error) {
      failures.push({ seed, error: String((error as Error).stack ?? error).slice(0, 2_000) })
    }
  }
  return { scenarios: count, sum, failures }
}

function add(one: Outcome, other: Outcome): Outcome {
  const names = Object.keys(NOTHING) as (keyof Outcome)[]
  return Object.fromEntries(names.map(name => [name, one[name] + other[name]])) as unknown as Outcome
}

/** Seeds from `first` on. A failure does not end the run. Times on the clock of this machine are of no meaning to it. */
export async function playMany(
  scenarios: number,
  first = 1,
  processes = Math.max(1, os.availableParallelism() - 1),
): Promise<Result> {
  const began = performance.now()
  let next = first
  let done = 0
  let failed = 0
  let sum = NOTHING
  const failures: Failure[] = []
  const seconds = (): number => Math.round((performance.now() - began) / 1000)
  const say = (): void => void process.stderr.write(`${done} of ${scenarios} in ${seconds()} s, ${failed} failed\n`)
  const progress = setInterval(say, PROGRESS)
  const feed = (child: ChildProcess): void => {
    const count = Math.min(PORTION, first + scenarios - next)
    if (count === 0) child.disconnect()
    else child.send({ first: next, count })
    next += count
  }
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(import.meta.url), ["--process"])
      child.on("message", (report: Report) => {
        done += report.scenarios
        failed += report.failures.length
        failures.push(...report.failures.slice(0, MOST_NAMED - failures.length))
        sum = add(sum, report.sum)
        feed(child)
      })
      child.once("error", reject)
      child.once("exit", code => (code === 0 ? resolve() : reject(new Error(`a process ended with code ${code}`))))
      feed(child)
    })
  try {
    await Promise.all(Array.from({ length: processes }, work))
  } finally {
    clearInterval(progress)
  }
  say()
  return { first, scenarios: done, failed, seconds: seconds(), processes, sum, failures }
}

if (process.argv[2] === "--process") {
  process.on("message", ({ first, count }: { first: number; count: number }) => {
    process.send?.(playPortion(first, count))
  })
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [scenarios, first, processes] = process.argv.slice(2).map(Number)
  const result = await playMany(scenarios ?? 100_000, first, processes)
  console.log(JSON.stringify(result))
  process.exitCode = result.failed === 0 ? 0 : 1
}
