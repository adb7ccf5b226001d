/** The package as it is installed, on other runtimes than this one, and in one fabric with it. */
import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { directory, type Fabric, join, Pull } from "../index.ts"
import { closesAfterEach, later, using } from "./support/cleanup.ts"
import { temporaryFolder } from "./support/folders.ts"
import { Program } from "./support/processes.ts"
import { otherRuntimes, type Runtime } from "./support/runtimes.ts"

const ROOT = fileURLToPath(new URL("../../", import.meta.url))
/** Compiled, but no part of the package. */
const OURS = ["tests", "bench", "examples"].map(name => path.join(ROOT, "dist", name))
const MESSAGES = 2_000

/** A member of the fabric `runtimes`: serves, subscribes, publishes, and pushes to two sockets, until its input ends. */
const MEMBER = `
  import { directory, join, Push } from "heddle"
  const [folder, ...endpoints] = process.argv.slice(2)
  const fabric = await join("runtimes", { discovery: [directory({ path: folder })] })
  fabric.serve("square", ({ data }) => data * data)
  fabric.subscribe("from.test", ({ data }) => void fabric.publish("from.member", { heard: data.word }))
  for (const endpoint of endpoints) {
    const push = new Push()
    push.connect(endpoint)
    for (let n = 1; n <= ${MESSAGES}; n++) await push.send([String(n), Buffer.alloc(n)])
    await push.close()
  }
  await fabric.ready({ subject: "from.member", subscribers: 1 })
  console.log("ready")
  process.stdin.once("end", async () => {
    await fabric.close()
    console.log("left")
  }).resume()
`

const THREADS = `
  import { isMainThread, Worker } from "node:worker_threads"
  import { Pair } from "heddle"
  const pair = new Pair()
  if (isMainThread) {
    await pair.bind("inproc://threads")
    new Worker(new URL(import.meta.url))
    for (let n = 1; n <= ${MESSAGES}; n++) await pair.send(String(n))
    console.log("sum " + (await pair.receive()))
  } else {
    pair.connect("inproc://threads")
    let sum = 0
    for (let n = 1; n <= ${MESSAGES}; n++) sum += Number((await pair.receive())[0])
    await pair.send(String(sum))
  }
  await pair.close()
`

/** A folder in which `npm install heddle` could have been run. */
function install(): string {
  const folder = temporaryFolder()
  const heddle = path.join(folder, "node_modules/heddle")
  const copy = (from: string, to: string): void =>
    fs.cpSync(from, to, { recursive: true, dereference: true, filter: file => !OURS.includes(file) })
  copy(path.join(ROOT, "package.json"), path.join(heddle, "package.json"))
  copy(path.join(ROOT, "dist"), path.join(heddle, "dist"))
  const addon = path.join(ROOT, "build/Release/heddle_native.node")
  if (fs.existsSync(addon)) copy(addon, path.join(heddle, "build/Release/heddle_native.node"))
  for (const name of ["msgpackr", "commander"])
    copy(path.join(ROOT, "node_modules", name), path.join(folder, "node_modules", name))
  fs.writeFileSync(path.join(folder, "package.json"), '{ "type": "module", "dependencies": { "heddle": "*" } }')
  fs.writeFileSync(path.join(folder, "member.js"), MEMBER)
  fs.writeFileSync(path.join(folder, "threads.js"), THREADS)
  return folder
}

function run({ file, args }: Runtime, ...rest: string[]): Program {
  return Program.run(file, [...args, ...rest])
}

/** Receives what a member pushes; the sum of the numbers and of the lengths. */
async function sums(pull: Pull): Promise<number[]> {
  let numbers = 0
  let bytes = 0
  for (let n = 0; n < MESSAGES; n++) {
    const [number, body] = await pull.receive()
    numbers += Number(number)
    bytes += body.length
  }
  return [numbers, bytes]
}

const SUM = (MESSAGES * (MESSAGES + 1)) / 2

describe("Other runtimes", () => {
  closesAfterEach()

  const runtimes = otherRuntimes()
  if (runtimes.length === 0) it.skip("none: neither bun nor deno is on the PATH, and HEDDLE_RUNTIMES names none")

  for (const runtime of runtimes)
    describe(runtime.name, () => {
      it("meets this one in a fabric: subjects, requests, and queues over tcp and ipc", async () => {
        const folder = install()
        const meeting = path.join(folder, "meet")
        const node: Fabric = await join("runtimes", { discovery: [directory({ path: meeting })] })
        later(() => node.close())
        const pulls = [using(new Pull()), using(new Pull())]
        await pulls[0].bind("tcp://127.0.0.1:*")
        await pulls[1].bind("ipc://*")
        const ends = pulls.map(pull => pull.lastEndpoint as string)
        const answers = node.subscribe("from.member")
        const member = run(runtime, path.join(folder, "member.js"), meeting, ...ends)
        for (const pull of pulls) assert.deepEqual(await sums(pull), [SUM, SUM])
        await member.says(/^ready$/m)
        assert.equal((await node.request("square", 12)).data, 144)
        node.publish("from.test", { word: "warp" })
        for await (const { data } of answers) {
          assert.deepEqual(data, { heard: "warp" })
          break
        }
        member.child.stdin?.end()
        await member.says(/^left$/m)
        assert.equal(await member.exited, 0)
      })

      it("talks between its worker threads", async () => {
        const program = run(runtime, path.join(install(), "threads.js"))
        await program.says(new RegExp(`^sum ${SUM}$`, "m"))
        assert.equal(await program.exited, 0)
      })

      it("runs the command", async () => {
        const command = path.join(install(), "node_modules/heddle/dist/cli/heddle.js")
        const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, "package.json"), "utf8"))
        const told = run(runtime, command, "--version")
        await told.says(new RegExp(version.replaceAll(".", "\\.")))
        assert.equal(await told.exited, 0)
      })
    })
})
