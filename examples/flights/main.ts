/**
 * The main job: a fabric of processes works on real flight records and proves that nothing was lost and nothing came
 * twice. Publishers stream the records over TCP; subscribers follow the airports they want; a pipeline of workers adds
 * up every route over Unix sockets; a service answers questions about the result; this process watches, asks, and computes
 * the same figures from the file. Run: npm start [-- RECORDS]
 */
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Publisher, Pull, Request } from "heddle"
import { type ByRoute, count, equal, type Figures, figuresOf, noFigures, routeOf } from "./figures.ts"
import { partsOf, readPart } from "./records.ts"
import type { PublisherTask, Report, ServiceTask, SubscriberTask, WorkerTask } from "./roles.ts"
import { type Check, checkTable, number, Screen } from "./screen.ts"

const RECORDS = Number(process.argv[2] ?? 600_000)
const PUBLISHERS = 3
const WORKERS = 3
const WANTS: [string, string[]][] = [
  ["all flights", ["flight."]],
  ["from Atlanta", ["flight.ATL."]],
  ["from Chicago", ["flight.ORD.", "flight.MDW."]],
  ["Los Angeles to San Francisco", ["flight.LAX.SFO"]],
]
const QUESTIONS = 200
/** Between two questions how far the pipeline is (milliseconds). */
const PATIENCE = 50

if (!Number.isInteger(RECORDS) || RECORDS < 1) {
  console.error("usage: npm start [-- RECORDS]    a whole number of flights, at most 3000000; default 600000")
  process.exit(2)
}

const screen = new Screen()
const reports = new Map<string, Report>()
const children: ChildProcess[] = []
const incoming = new Pull()
const control = new Publisher()
await Promise.all([incoming.bind("ipc://*"), control.bind("ipc://*")])
incoming.consume(([body]) => {
  const report = JSON.parse(body.toString()) as Report
  reports.set(report.name, report)
  screen.draw(reports.values())
})
process.on("exit", () => {
  for (const child of children) child.kill()
})

try {
  process.exitCode = (await run()) ? 0 : 1
} finally {
  await control.send("stop")
  await Promise.all([control.close(), incoming.close()])
}

async function run(): Promise<boolean> {
  const parts = await partsOf(RECORDS)
  const total = parts.reduce((sum, part) => sum + part.end - part.start, 0)
  console.log(`${number(total)} flights, ${PUBLISHERS + WORKERS + WANTS.length + 1} processes\n`)
  const began = performance.now()

  start("service", { role: "service", questions: "tcp://127.0.0.1:*" } satisfies ServiceTask)
  const publishers = Array.from({ length: PUBLISHERS }, (_, i) => `publisher ${i + 1}`)
  for (const [i, name] of publishers.entries()) {
    const mine = parts.filter((_, index) => index % PUBLISHERS === i)
    start(name, { role: "publisher", parts: mine, subscribers: WANTS.length, workers: WORKERS } satisfies PublisherTask)
  }
  const [results, questions] = await addressesOf("service")
  const addresses = await Promise.all(publishers.map(addressesOf))
  const events = addresses.map(([one]) => one)
  const tasks = addresses.map(([, one]) => one)
  for (const [name, wants] of WANTS) start(name, { role: "subscriber", wants, events } satisfies SubscriberTask)
  for (let i = 1; i <= WORKERS; i++) start(`worker ${i}`, { role: "worker", tasks, results } satisfies WorkerTask)

  // The same figures without any messaging, while the fabric works.
  const [expected, routes] = await fromFile()
  const client = new Request()
  client.connect(questions)
  const ask = async (question: string): Promise<Figures> => {
    await client.send(question)
    return JSON.parse(String((await client.receive())[0])) as Figures
  }
  while ((await ask("")).flights < total) await new Promise(resolve => setTimeout(resolve, PATIENCE))
  await until(() => WANTS.every(([name]) => reports.get(name)?.done))
  const seconds = (performance.now() - began) / 1000

  const checks: Check[] = WANTS.map(([name]) =>
    compare(`events: ${name}`, (reports.get(name) as Report).figures as Figures, expected[name]),
  )
  checks.push(compare("pipeline: all routes", await ask(""), expected["all flights"]))
  checks.push(await questionRound(ask, routes))
  await client.close()
  for (const name of reports.keys()) (reports.get(name) as Report).done = true
  screen.draw(reports.values(), true)

  const good = checks.every(check => check.equal)
  console.log(`\n${checkTable(checks)}`)
  console.log("Compared are flights, minutes of delay, miles, and two checksums over the numbers of the records.")
  console.log(
    good
      ? `Every figure is equal: nothing was lost, nothing came twice. ${seconds.toFixed(1)} s.`
      : "The figures differ: messages were lost or came twice.",
  )
  return good
}

async function fromFile(): Promise<[Record<string, Figures>, ByRoute]> {
  const expected: Record<string, Figures> = {}
  for (const [name] of WANTS) expected[name] = noFigures()
  const routes: ByRoute = {}
  for (const part of await partsOf(RECORDS)) {
    for (const flight of await readPart(part)) {
      count(figuresOf(routes, routeOf(flight)), flight)
      const subject = `flight.${flight.origin}.${flight.destination}`
      for (const [name, wants] of WANTS) if (wants.some(one => subject.startsWith(one))) count(expected[name], flight)
    }
  }
  return [expected, routes]
}

/** Asks the service about routes all over the alphabet, and about one that nobody flies. */
async function questionRound(ask: (route: string) => Promise<Figures>, routes: ByRoute): Promise<Check> {
  const names = Object.keys(routes).sort()
  const step = Math.max(1, Math.floor(names.length / QUESTIONS))
  const asked = [...names.filter((_, index) => index % step === 0), "nowhere-nowhere"]
  let right = 0
  for (const name of asked) if (equal(await ask(name), routes[name] ?? noFigures())) right++
  return {
    what: "questions about single routes",
    heddle: `${right} right`,
    file: `${asked.length} asked`,
    equal: right === asked.length,
  }
}

function compare(what: string, heddle: Figures, file: Figures): Check {
  const text = ({ flights, delay, distance }: Figures): string =>
    `${number(flights)} / ${number(delay)} min / ${number(distance)} mi`
  return { what, heddle: text(heddle), file: text(file), equal: equal(heddle, file) }
}

function start(name: string, task: PublisherTask | SubscriberTask | WorkerTask | ServiceTask): void {
  const whole = { ...task, name, control: control.lastEndpoint, reports: incoming.lastEndpoint }
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL("./process.js", import.meta.url)), JSON.stringify(whole)],
    {
      stdio: ["ignore", "inherit", "inherit"],
    },
  )
  child.on("exit", code => {
    if (code === 0) return
    console.error(`${name} ended with code ${code}`)
    process.exit(1)
  })
  children.push(child)
}

async function addressesOf(name: string): Promise<string[]> {
  await until(() => reports.get(name)?.addresses !== undefined)
  return (reports.get(name) as Report).addresses as string[]
}

function until(reached: () => boolean | undefined): Promise<void> {
  return new Promise(resolve => {
    const timer = setInterval(() => {
      if (!reached()) return
      clearInterval(timer)
      resolve()
    }, PATIENCE)
  })
}
