import assert from "node:assert/strict"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { haveHosts, joinedHosts } from "../../../support/hosts.ts"
import { freeMulticastPort } from "../../../support/multicast.ts"
import { Program } from "../../../support/processes.ts"
import { multicastWorks } from "../../../support/udp.ts"
import { pass } from "../../../support/wait.ts"

const INDEX = new URL("../../../../index.js", import.meta.url).href
const GROUP = "239.255.77.43"
/** Milliseconds: processes that share two processors with a whole test run are not heard all the time. */
const PROBE = 1_500

/** A node that does what it is told, line by line, and answers each with a line of JSON. */
const node = (options: string, subscribes: boolean): string => `
  import { directory, join, seeds } from "${INDEX}"
  const node = await join("carried", ${options})
  const ways = []
  let missing = 0, count = 0, first = -1, last = -1, wrong = 0, bytes = 0, number = 0
  node.events.on("carry", ({ peer, where, by, reason }) => void ways.push([where, peer.name, by, reason].join(" ")))
  node.events.on("gap", event => { missing += event.missing ?? 0 })
  if (${subscribes}) await node.subscribe("ticks.>", ({ data, size, headers }) => {
    const value = typeof data === "number" ? data : Number(headers.get("number"))
    bytes += size
    if (first < 0) first = value
    else if (value !== last + 1) wrong++
    last = value
    count++
  }).ready
  const publish = (size = 0) => {
    if (size === 0) node.publish("ticks." + number % 5, number)
    else node.publish("ticks.large", Buffer.alloc(size), { headers: { number: String(number) } })
    number++
  }
  const orders = {
    async carried(peers) {
      while (node.stats().carry[0].to !== peers) {
        publish()
        await new Promise(resolve => setTimeout(resolve, 10))
      }
    },
    async publish(count, rest = 0) {
      for (let i = 0; i < count; i++) {
        publish()
        if (i % 50 === 49) await new Promise(resolve => rest > 0 ? setTimeout(resolve, rest) : setImmediate(resolve))
      }
      await node.flush()
    },
    async large(size) {
      publish(size)
      await node.flush()
    },
    async until(value) {
      while (last < value) await new Promise(resolve => setTimeout(resolve, 5))
    },
    async way(text) {
      while (!ways.some(way => way.includes(text))) await new Promise(resolve => setTimeout(resolve, 5))
    },
    async report() {},
    async close() { await node.close() },
  }
  const report = id => {
    const carry = node.closed ? null : node.stats().carry[0]
    const sent = node.closed ? 0 : node.stats().bytesSent
    console.log("<" + id + ">" + JSON.stringify({ count, first, last, wrong, missing, bytes, number, ways, carry, sent }))
  }
  let before = Promise.resolve()
  process.stdin.setEncoding("utf8").on("data", text => {
    for (const line of text.trim().split("\\n")) {
      const [id, order, ...words] = JSON.parse(line)
      before = before.then(() => orders[order](...words)).then(() => report(id))
    }
  })
  process.stdin.on("end", () => process.exit())
  console.log("endpoint " + node.endpoints[0] + " ")
`

interface Report {
  count: number
  first: number
  last: number
  wrong: number
  missing: number
  bytes: number
  number: number
  ways: string[]
  carry: {
    to: number
    from: number
    messagesSent: number
    messagesReceived: number
    repairsReceived: number
    repairsSent: number
  }
  sent: number
}

class NodeProgram {
  readonly program: Program
  private id = 0

  constructor(program: Program) {
    this.program = program
  }

  async order(...order: (string | number)[]): Promise<Report> {
    const id = ++this.id
    this.program.tell(JSON.stringify([id, ...order]))
    const [, text] = await this.program.says(new RegExp(`<${id}>(.*)\n`))
    return JSON.parse(text) as Report
  }

  async endpoint(): Promise<string> {
    return (await this.program.says(/endpoint (\S+) /))[1]
  }
}

/** Everything from the first on, in order, and nothing is missing. */
function assertWhole({ count, first, last, wrong, missing }: Report, upTo: number): void {
  assert.deepEqual({ wrong, missing, last, count }, { wrong: 0, missing: 0, last: upTo, count: upTo - first + 1 })
}

describe("Carried subjects by multicast", () => {
  closesAfterEach()

  before(async function () {
    if (!(await multicastWorks(GROUP))) this.skip()
  })

  it("reach five processes, one that is stopped, one that comes late, and from a publisher that is killed", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-"))
    later(() => fs.rmSync(folder, { recursive: true, force: true }))
    const carry = {
      "ticks.>": { group: `multicast://${GROUP}:${await freeMulticastPort()}?interface=lo`, probe: PROBE },
    }
    const start = (name: string, subscribes: boolean): NodeProgram => {
      const common = JSON.stringify({ name, carry })
      const options = `{ ...${common}, discovery: [directory({ path: ${JSON.stringify(folder)} })] }`
      return new NodeProgram(Program.start(node(options, subscribes)))
    }
    const subscribers = ["a", "b", "c", "d", "e"].map(name => start(name, true))
    for (const one of subscribers) await one.endpoint()
    const p = start("p", false)
    await p.endpoint()
    await p.order("carried", 5)
    const before = await p.order("report")
    const after = await p.order("publish", 20_000)
    assert.equal(after.carry.messagesSent - before.carry.messagesSent, 20_000)
    // Links carry membership, acknowledgements, repairs: five times the messages would be 500 kB.
    assert.ok(after.sent - before.sent < 250_000, `${after.sent - before.sent} bytes by links`)
    for (const one of subscribers) {
      const report = await one.order("until", after.number - 1)
      assertWhole(report, after.number - 1)
      assert.equal(report.carry.from, 1)
      assert.ok(report.carry.messagesReceived >= 15_000)
    }
    // A large one, in many datagrams.
    const large = await p.order("large", 1_000_000)
    for (const one of subscribers) assert.ok((await one.order("until", large.number - 1)).bytes >= 1_000_000)
    // One stands still, for longer than the group waits for it; nobody else does.
    const [victim, ...others] = subscribers
    victim.program.signal("SIGSTOP")
    const told = p.order("publish", 5_000, 20)
    for (const one of others) await one.order("until", large.number + 4_999)
    await pass(PROBE / 2)
    victim.program.signal("SIGCONT")
    const { number } = await told
    for (const one of subscribers) assertWhole(await one.order("until", number - 1), number - 1)
    // Another comes, and gets what is published from then on.
    const late = start("late", true)
    await late.endpoint()
    const more = await p.order("carried", 6)
    const end = await p.order("publish", 2_000)
    for (const one of [...subscribers, late]) assertWhole(await one.order("until", end.number - 1), end.number - 1)
    assert.ok(more.number > number)
    // The publisher is killed, and another takes its place: its numbers begin anew.
    await p.program.kill()
    const again = start("p", false)
    await again.endpoint()
    await again.order("carried", 6)
    const last = await again.order("publish", 2_000)
    for (const one of [...subscribers, late]) {
      const report = await one.order("report")
      assert.deepEqual([report.wrong, report.last, report.missing], [1, last.number - 1, 0])
    }
  })

  it("reach hosts that lose datagrams, and one whose network lets none through", async function () {
    if (!haveHosts()) this.skip()
    const hosts = joinedHosts(4)
    const port = await freeMulticastPort()
    if (!hosts[2].lose(0.1) || !hosts[3].block(GROUP)) {
      console.log("      skipped: no iptables here that could lose datagrams")
      this.skip()
    }
    const nodes: NodeProgram[] = []
    const names = ["p", "well", "lossy", "blocked"]
    let seed = ""
    for (const [i, host] of hosts.entries()) {
      const group = `multicast://${GROUP}:${port}?interface=${host.name}`
      const common = {
        name: names[i],
        carry: { "ticks.>": { group, probe: PROBE } },
        listen: `tcp://${host.address}:*`,
      }
      const options = `{ ...${JSON.stringify(common)}, discovery: [${seed === "" ? "" : `seeds(["${seed}"])`}] }`
      const one = new NodeProgram(host.program(node(options, i > 0)))
      const endpoint = await one.endpoint()
      if (seed === "") seed = endpoint
      nodes.push(one)
    }
    const [p, well, lossy, blocked] = nodes
    await p.order("carried", 2)
    const { ways } = await blocked.order("way", "link no datagram came within the probe time")
    assert.deepEqual(ways, ["receiving p link no datagram came within the probe time"])
    const { number, carry } = await p.order("publish", 20_000)
    assert.equal(carry.to, 2)
    for (const one of [well, lossy, blocked]) assertWhole(await one.order("until", number - 1), number - 1)
    const byLink = await blocked.order("report")
    assert.equal(byLink.carry.messagesReceived, 0)
    assert.ok((await well.order("report")).carry.messagesReceived > 15_000)
  })
})
