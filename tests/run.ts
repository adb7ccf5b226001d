/**
 * `npm test`: three processes side by side, because most tests wait more than they compute: those against Kafka, those of what
 * crosses a network or opens pages, and all others. What the first two say is printed when the others are done. With arguments
 * (`npm test -- dist/tests/core/*.test.js -g name`) it is plain mocha.
 */
import { spawn } from "node:child_process"
import { createRequire } from "node:module"

const MOCHA = createRequire(import.meta.url).resolve("mocha/bin/mocha.js")

/** Process, and what it runs; the last one runs the rest. */
const LANES: readonly (readonly [name: string, ...files: string[]])[] = [
  ["Against Kafka", "dist/tests/kafka/**/*.test.js"],
  [
    "Transports and pages",
    "dist/tests/transports/**/*.test.js",
    "dist/tests/faults/**/*.test.js",
    "dist/tests/browser/**/*.test.js",
  ],
]

/** Milliseconds that a process may take to end when its tests are through. */
const LINGERS = 20_000

/** The last line of tests/support/reporter.ts. */
const SUMMARY = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/m

interface Outcome {
  readonly text: string
  readonly code: number
}

/** Runs mocha; `say` gets what it prints as it comes. */
function mocha(args: readonly string[], say: (text: string) => void): Promise<Outcome> {
  const child = spawn(process.execPath, [MOCHA, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  let text = ""
  const heard = (data: string): void => {
    text += data
    say(data)
  }
  child.stdout.setEncoding("utf8").on("data", heard)
  child.stderr.setEncoding("utf8").on("data", heard)
  return new Promise((resolve, reject) => {
    child.once("error", reject)
    let killed = false
    child.once("close", code => resolve({ text, code: code ?? (killed ? 0 : 1) }))
    // Something of a test goes on: that is a fault, and said, but must not hold up all others for ever.
    const watch = setInterval(() => {
      if (!SUMMARY.test(text)) return
      clearInterval(watch)
      setTimeout(() => {
        if (child.exitCode !== null || child.signalCode !== null) return
        process.stderr.write("\n  a process of tests did not end by itself, and was killed\n")
        killed = true
        child.kill("SIGKILL")
      }, LINGERS).unref()
    }, 1_000)
    watch.unref()
  })
}

/** Without the summary, of which there is one at the end. */
const say = (text: string): void => void process.stdout.write(text.replace(SUMMARY, "").replace(/\n{3,}$/, "\n\n"))

async function everything(): Promise<number> {
  const lanes = LANES.map(([name, ...files]) => {
    let late: string[] | null = []
    const outcome = mocha(
      ["--no-config", "--timeout", "60000", "--reporter", "dist/tests/support/reporter.js", ...files],
      text => {
        if (late === null) say(text)
        else late.push(text)
      },
    )
    const print = (): void => {
      process.stdout.write(`\n  ${name}\n`)
      say((late ?? []).join(""))
      late = null
    }
    return { outcome, print }
  })
  const rest = LANES.flatMap(([, ...files]) => files.flatMap(file => ["--ignore", file]))
  const outcomes = [await mocha(rest, say)]
  for (const { outcome, print } of lanes) {
    print()
    outcomes.push(await outcome)
  }
  const sum = [0, 0, 0]
  for (const { text } of outcomes) {
    const counts = SUMMARY.exec(text)
    if (counts === null) return 1
    for (let i = 0; i < 3; i++) sum[i] += Number(counts[i + 1] ?? 0)
  }
  process.stdout.write(`\n${sum[0]} passed, ${sum[1]} failed${sum[2] > 0 ? `, ${sum[2]} skipped` : ""}\n`)
  return sum[1] > 0 || outcomes.some(({ code }) => code !== 0) ? 1 : 0
}

const args = process.argv.slice(2)
if (args.length > 0) {
  const plain = spawn(process.execPath, [MOCHA, ...args], { stdio: "inherit" })
  plain.once("close", code => process.exit(code ?? 1))
} else process.exitCode = await everything()
