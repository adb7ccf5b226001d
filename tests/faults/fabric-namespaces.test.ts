import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { Program } from "../support/processes.ts"
import { LONG_RUN } from "../support/random.ts"
import { pass } from "../support/wait.ts"

const INDEX = new URL("../../index.js", import.meta.url).href
/** Names of this run only: nobody else's namespaces are touched. */
const [NEAR, FAR] = [`hd${process.pid}a`, `hd${process.pid}b`]
const ip = (...words: string[]): void => void execFileSync("ip", words, { stdio: "pipe" })

/** Needs root and network namespaces. */
function haveNamespaces(): boolean {
  try {
    ip("netns", "add", NEAR)
    ip("netns", "del", NEAR)
    return true
  } catch {
    return false
  }
}

describe("The fabric over a network that is cut between two namespaces", () => {
  closesAfterEach()

  before(function () {
    if (!LONG_RUN || !haveNamespaces()) this.skip()
  })

  const program = (namespace: string, body: string): Program =>
    Program.start(
      `
      import { join, seeds } from "${INDEX}"
      const say = text => process.stdout.write(text + "\\n")
      process.stdin.on("end", () => process.exit()).resume()
      ${body}
    `,
      undefined,
      ["ip", "netns", "exec", namespace],
    )

  const cut = async (milliseconds: number): Promise<string> => {
    for (const name of [NEAR, FAR]) {
      ip("netns", "add", name)
      later(() => ip("netns", "del", name))
    }
    ip("link", "add", NEAR, "netns", NEAR, "type", "veth", "peer", "name", FAR, "netns", FAR)
    ip("-n", NEAR, "addr", "add", "10.99.0.1/24", "dev", NEAR)
    ip("-n", FAR, "addr", "add", "10.99.0.2/24", "dev", FAR)
    for (const name of [NEAR, FAR]) ip("-n", name, "link", "set", name, "up")
    const publisher = program(
      NEAR,
      `const fabric = await join("shop", { name: "near", listen: "tcp://10.99.0.1:7000", discovery: [] })
      say("listening")
      await fabric.ready({ subject: "n", subscribers: 1 })
      let sent = 0
      setInterval(() => { if (fabric.publish("n", sent++).dropped > 0) say("DROPPED") }, 5)`,
    )
    await publisher.says(/listening/)
    const subscriber = program(
      FAR,
      `const fabric = await join("shop", { name: "far", listen: "tcp://10.99.0.2:7000", discovery: [seeds(["tcp://10.99.0.1:7000"])] })
      let next = 0, up = true
      for (const type of ["up", "down", "gap", "leave"]) fabric.events.on(type, () => say(type))
      fabric.subscribe("n", m => {
        if (m.data !== next) say("WRONG " + m.data + " for " + next)
        next = m.data + 1
        if (next % 100 === 0) say("got " + next)
      })`,
    )
    await subscriber.says(/got 100\b/)
    ip("-n", NEAR, "link", "set", NEAR, "down")
    await pass(milliseconds)
    ip("-n", NEAR, "link", "set", NEAR, "up")
    const got = (): number => Number([...subscriber.output.matchAll(/got (\d+)/g)].at(-1)?.[1])
    const goal = Math.ceil((got() + milliseconds / 5 + 100) / 100) * 100
    await subscriber.says(new RegExp(`got ${goal}\\b`))
    assert.doesNotMatch(publisher.output, /DROPPED/)
    return subscriber.output
  }

  it("goes on where it stood after a short cut", async () => {
    assert.doesNotMatch(await cut(2_000), /WRONG|gap/)
  })

  it("goes on where it stood after a cut that made each count as dead for the other", async () => {
    assert.doesNotMatch(await cut(12_000), /WRONG|gap/)
  })
})
