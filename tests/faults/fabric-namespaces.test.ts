import assert from "node:assert/strict"
import { closesAfterEach } from "../support/cleanup.ts"
import { type Host, haveHosts, joinedHosts } from "../support/hosts.ts"
import type { Program } from "../support/processes.ts"
import { LONG_RUN } from "../support/random.ts"
import { pass } from "../support/wait.ts"

const INDEX = new URL("../../index.js", import.meta.url).href
describe("The fabric over a network that is cut between two namespaces", () => {
  closesAfterEach()

  before(function () {
    if (!LONG_RUN || !haveHosts()) this.skip()
  })

  const program = (host: Host, body: string): Program =>
    host.program(`
      import { join, seeds } from "${INDEX}"
      const say = text => process.stdout.write(text + "\\n")
      process.stdin.on("end", () => process.exit()).resume()
      ${body}
    `)

  const cut = async (milliseconds: number): Promise<string> => {
    const [near, far] = joinedHosts(2)
    const publisher = program(
      near,
      `const fabric = await join("shop", { name: "near", listen: "tcp://${near.address}:7000", discovery: [] })
      say("listening")
      await fabric.ready({ subject: "n", subscribers: 1 })
      let sent = 0
      setInterval(() => { if (fabric.publish("n", sent++).dropped > 0) say("DROPPED") }, 5)`,
    )
    await publisher.says(/listening/)
    const subscriber = program(
      far,
      `const fabric = await join("shop", { name: "far", listen: "tcp://${far.address}:7000", discovery: [seeds(["tcp://${near.address}:7000"])] })
      let next = 0, up = true
      for (const type of ["up", "down", "gap", "leave"]) fabric.events.on(type, () => say(type))
      fabric.subscribe("n", m => {
        if (m.data !== next) say("WRONG " + m.data + " for " + next)
        next = m.data + 1
        if (next % 100 === 0) say("got " + next)
      })`,
    )
    await subscriber.says(/got 100\b/)
    near.link(false)
    await pass(milliseconds)
    near.link(true)
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
