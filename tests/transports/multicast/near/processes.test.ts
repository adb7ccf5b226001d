import assert from "node:assert/strict"
import fs from "node:fs"
import { Publisher, Subscriber } from "../../../../index.ts"
import { loadNative, nativeStatus } from "../../../../transports/native/native.ts"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { freeMulticastPort } from "../../../support/multicast.ts"
import type { Program } from "../../../support/processes.ts"
import { multicastWorks } from "../../../support/udp.ts"
import { pass, until } from "../../../support/wait.ts"
import { endOf, shares, startBus, startReceiver, startSender, startSpy } from "./programs.ts"

const GROUP = `239.255.${1 + Math.floor(Math.random() * 250)}.${1 + Math.floor(Math.random() * 250)}`

/** So many are sent before something is done to somebody: 20 MB. */
const MANY = 1_000

const rightSoFar = (...programs: Program[]): void => {
  for (const { output } of programs) assert.doesNotMatch(output, /WRONG/)
}

/** All that a receiver heard was whole; `missing` 0 = and nothing was lost. */
async function hasAll(receivers: readonly Program[], name = "A"): Promise<void> {
  for (const one of receivers) assert.equal((await endOf(one, name)).missing, 0)
  rightSoFar(...receivers)
}

/** What went out in memory alone before the sender knew of a late one is told to it, where the window has it no more. */
async function hasOrWasTold(late: Program): Promise<void> {
  const { from, received, missing, next } = await endOf(late, "A")
  assert.equal(received + missing, next - from)
  rightSoFar(late)
}

async function allSay(programs: readonly Program[], pattern: RegExp): Promise<void> {
  await Promise.all(programs.map(one => one.says(pattern)))
}

describe("Shared memory of a multicast group, between processes", () => {
  closesAfterEach()

  before(async function () {
    if (loadNative() !== null && (await multicastWorks(GROUP))) return
    console.log(`      skipped: ${nativeStatus().reason || `this machine carries no multicast to ${GROUP} on lo`}`)
    this.skip()
  })

  const freeEndpoint = async (): Promise<string> => `multicast://${GROUP}:${await freeMulticastPort()}?interface=lo`

  /** Receivers that are known to a sender, which is yet to go. */
  const group = async (
    receivers: readonly Program[],
    endpoint: string,
    name = "A",
    options = "{}",
  ): Promise<Program> => {
    await allSay(receivers, /receiver/)
    const sender = startSender(endpoint, name, options)
    await allSay(receivers, new RegExp(`hears ${name}`))
    return sender
  }

  const sent = async (sender: Program, count: number): Promise<void> => void (await sender.says(sentSoMany(count)))

  /** It has sent so many more, whatever it had sent before. */
  const sendsMore = async (sender: Program, count = MANY): Promise<void> => {
    const before = Number(/.*sent (\d+)/s.exec(sender.output)?.[1] ?? 0)
    await sent(sender, before + count)
  }

  const finish = async (sender: Program): Promise<void> => {
    sender.tell("close")
    await sender.says(/closed/)
  }

  it("five subscribers get everything, and most of it never as datagrams", async () => {
    const endpoint = await freeEndpoint()
    const spy = startSpy(GROUP, Number(/:(\d+)\?/.exec(endpoint)?.[1]))
    await spy.says(/spy/)
    const receivers = Array.from({ length: 5 }, () => startReceiver(endpoint))
    const sender = await group(receivers, endpoint)
    sender.tell("go")
    await sent(sender, MANY)
    await until(() => receivers.every(shares))
    assert.ok(shares(sender))
    await sendsMore(sender, 2 * MANY)
    sender.tell("stop")
    await hasAll(receivers)
    const { next } = await endOf(receivers[0], "A")
    spy.tell("tell")
    const bytes = Number((await spy.says(/bytes (\d+)/))[1])
    assert.ok(bytes < (next * 20_000) / 2, `${bytes} bytes of ${next} messages went out as datagrams`)
    await finish(sender)
    // Their sender is gone, and so is what they had of it.
    await until(() => receivers.every(one => !shares(one)))
  })

  it("with one that shares no memory and one without the addon everybody gets everything", async () => {
    const endpoint = await freeEndpoint()
    const near = Array.from({ length: 3 }, () => startReceiver(endpoint))
    const strangers = [startReceiver(endpoint, "{ sharedMemory: 0 }"), startReceiver(endpoint, "{}", false)]
    const receivers = [...near, ...strangers]
    const sender = await group(receivers, endpoint)
    sender.tell("go")
    await sent(sender, MANY)
    await until(() => near.every(shares))
    await sendsMore(sender)
    assert.ok(!strangers.some(shares))
    // Both leave: the others are alone with the sender's memory, until somebody else comes.
    for (const one of strangers) one.tell("close")
    await allSay(strangers, /closed/)
    await sendsMore(sender)
    const late = startReceiver(endpoint, "{}", false)
    await late.says(/hears A/)
    await sendsMore(sender)
    sender.tell("stop")
    await hasAll(near)
    await hasOrWasTold(late)
    rightSoFar(...strangers)
    await finish(sender)
  })

  it("a subscriber that is killed in the midst stops nobody", async () => {
    const endpoint = await freeEndpoint()
    const receivers = Array.from({ length: 5 }, () => startReceiver(endpoint))
    const sender = await group(receivers, endpoint)
    sender.tell("go")
    await sent(sender, MANY)
    await until(() => receivers.every(shares))
    receivers[0].signal("SIGKILL")
    receivers[3].signal("SIGKILL")
    // More than any window: it goes on without them.
    await sendsMore(sender, 2 * MANY)
    sender.tell("stop")
    await hasAll([1, 2, 4].map(index => receivers[index]))
    await finish(sender)
  })

  it("a subscriber that stands still for a moment gets everything", async () => {
    const endpoint = await freeEndpoint()
    const receivers = Array.from({ length: 5 }, () => startReceiver(endpoint))
    const sender = await group(receivers, endpoint)
    sender.tell("go")
    await sent(sender, MANY)
    await until(() => receivers.every(shares))
    for (let times = 0; times < 5; times++) {
      receivers[times].signal("SIGSTOP")
      await pass(100)
      receivers[times].signal("SIGCONT")
      await sendsMore(sender, 100)
    }
    sender.tell("stop")
    await hasAll(receivers)
    await finish(sender)
  })

  it("a subscriber that stands still for longer than it is waited for is told what it missed", async () => {
    const endpoint = await freeEndpoint()
    const options = "{ multicastWindow: 1048576 }"
    const receivers = Array.from({ length: 5 }, () => startReceiver(endpoint, options))
    const sender = await group(receivers, endpoint, "A", options)
    sender.tell("go")
    await sent(sender, MANY)
    await until(() => receivers.every(shares))
    receivers[2].signal("SIGSTOP")
    // Far more than the window: it is not waited for any more.
    await sendsMore(sender)
    receivers[2].signal("SIGCONT")
    await sendsMore(sender)
    sender.tell("stop")
    await hasAll([0, 1, 3, 4].map(index => receivers[index]))
    const { from, received, missing, next } = await endOf(receivers[2], "A")
    assert.ok(missing > 0)
    assert.equal(received + missing, next - from)
    rightSoFar(receivers[2])
    await finish(sender)
  })

  it("one that joins in the midst gets everything from some message on, or is told", async () => {
    const endpoint = await freeEndpoint()
    const receivers = [startReceiver(endpoint), startReceiver(endpoint)]
    const sender = await group(receivers, endpoint)
    sender.tell("go")
    await sent(sender, MANY)
    await until(() => receivers.every(shares))
    const late = startReceiver(endpoint)
    await late.says(/hears A/)
    await until(() => shares(late))
    await sendsMore(sender)
    sender.tell("stop")
    await hasAll(receivers)
    await hasOrWasTold(late)
    assert.ok((await endOf(late, "A")).from >= MANY)
    await finish(sender)
  })

  it("a publisher that is killed and started anew is heard from its beginning", async () => {
    const endpoint = await freeEndpoint()
    const receivers = Array.from({ length: 5 }, () => startReceiver(endpoint))
    const first = await group(receivers, endpoint)
    first.tell("go")
    await sent(first, MANY)
    await until(() => receivers.every(shares))
    first.signal("SIGKILL")
    await first.exited
    const second = await group(receivers, endpoint, "B")
    second.tell("go")
    await sent(second, 2 * MANY)
    second.tell("stop")
    await hasAll(receivers, "B")
    await finish(second)
    rightSoFar(...receivers)
  })

  it("each Bus hears all others", async () => {
    const endpoint = await freeEndpoint()
    const names = ["A", "B", "C"]
    const buses = names.map(name => startBus(endpoint, name))
    const others = (index: number): string[] => names.filter((_name, other) => other !== index)
    for (const [index, bus] of buses.entries())
      for (const name of others(index)) await bus.says(new RegExp(`hears ${name}`))
    for (const bus of buses) bus.tell("go")
    await until(() => buses.every(shares))
    for (const bus of buses) await sendsMore(bus, 300)
    for (const bus of buses) bus.tell("stop")
    for (const [index, bus] of buses.entries())
      for (const name of others(index)) assert.equal((await endOf(bus, name)).missing, 0)
    for (const bus of buses) bus.tell("close")
    await allSay(buses, /closed/)
    rightSoFar(...buses)
  })

  it("a Publisher and two Subscribers in one process share memory, too", async () => {
    const endpoint = await freeEndpoint()
    const pub = new Publisher({ noDrop: true })
    later(() => pub.close())
    const heard: number[][] = [[], []]
    for (const numbers of heard) {
      const sub = new Subscriber()
      later(() => sub.close())
      sub.subscribe()
      sub.consume(([number, body]) => {
        assert.equal(body.length, 20_000)
        assert.ok(body.equals(Buffer.alloc(20_000, Number(String(number)))), "a body is not what was sent")
        numbers.push(Number(String(number)))
      })
      await sub.bind(endpoint)
    }
    pub.connect(endpoint)
    const ours = (): number => fs.readFileSync("/proc/self/maps", "latin1").split("/memfd:heddle ").length - 1
    const before = ours()
    let total = 0
    const send = async (): Promise<void> => {
      await pub.send([String(total), Buffer.alloc(20_000, total)])
      total++
    }
    while (heard.some(({ length }) => length === 0)) {
      await send()
      await pass(1)
    }
    // The publisher's own, and one of each subscriber.
    while (total < 5_000 || ours() < before + 3) await send()
    await until(() => heard.every(numbers => numbers.at(-1) === total - 1))
    for (const numbers of heard) {
      assert.deepEqual(
        numbers,
        Array.from({ length: total - numbers[0] }, (_none, index) => numbers[0] + index),
      )
    }
  })
})

/** "sent" with a number of at least so many, in steps of 100. */
function sentSoMany(count: number): RegExp {
  return new RegExp(`sent ${Math.ceil(count / 100) * 100}\\n`)
}
