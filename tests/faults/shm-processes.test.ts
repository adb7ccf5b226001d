import assert from "node:assert/strict"
import fs from "node:fs"
import { Pull, Push } from "../../index.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { Program } from "../support/processes.ts"
import { lastingIpc } from "../support/sockets.ts"
import { event, pass, until } from "../support/wait.ts"
import { describeNative } from "../transports/native/addon-fixtures.ts"
import { mappings, memoryFiles } from "../transports/shm/memory-counts.ts"

const INDEX = new URL("../../index.js", import.meta.url).href
const QUICK = { reconnectInterval: 5, reconnectMaxInterval: 20, linger: 0 }

/** Bodies that show whether they are whole: number n has `size(n)` bytes, all of them n. */
const BODIES = `
  const size = n => n % 50 === 49 ? 3_000_000 : (n * 7919) % 20_000
  const body = n => Buffer.alloc(size(n), n)
`
const size = (n: number): number => (n % 50 === 49 ? 3_000_000 : (n * 7919) % 20_000)
const isWhole = (n: number, bytes: Buffer): boolean => bytes.equals(Buffer.alloc(size(n), n))

const program = (body: string): Program =>
  Program.start(`
    import fs from "node:fs"
    import { Pull, Push } from "${INDEX}"
    // At once: who is killed has said what it said.
    const say = text => fs.writeSync(1, text + "\\n")
    const watch = socket => {
      for (const type of ["connect", "handshake", "disconnect"]) {
        socket.events.on(type, ({ error }) => say(error === undefined ? type : type + " " + error.code))
      }
      return socket
    }
    // The programs live until they are killed, or until their test is gone.
    process.stdin.resume()
    ${BODIES}
    ${body}
  `)

const receiver = (address: string, options = ""): string => `
  const pull = watch(new Pull({ reconnectInterval: 5, linger: 0, ${options} }))
  pull.connect("${address}")
  let next = 0
  pull.consume(([number, bytes]) => {
    const n = Number(number)
    if (n !== next++ || !bytes.equals(body(n))) say("broken " + number + " instead of " + (next - 1))
    if (next % 100 === 0) say("got " + next)
  })
`

describeNative("Processes in shared memory that die or stand still", () => {
  closesAfterEach()

  const bound = async (options: ConstructorParameters<typeof Pull>[0] = {}): Promise<[Pull, string]> => {
    const pull = using(new Pull({ ...QUICK, ...options }))
    await pull.bind("ipc://*")
    return [pull, pull.lastEndpoint as string]
  }

  for (const ring of [65_536, 1_048_576]) {
    it(`while they send (SIGKILL, ${ring / 1024} KiB): messages arrive whole and in order, or not at all`, async () => {
      const before = mappings()
      const [pull, address] = await bound()
      for (let round = 0; round < 2; round++) {
        const gone = event(pull.events, "disconnect")
        const sender = program(`
          const push = new Push({ sharedMemory: ${ring}, linger: 0 })
          push.connect("${address}")
          for (let n = 0; ; n++) await push.send([String(n), body(n)])
        `)
        let count = 0
        const take = ([number, bytes]: readonly Buffer[]): void => {
          assert.equal(Number(number), count)
          assert.ok(isWhole(count, bytes))
          count++
        }
        while (count < 100 + 60 * round) take((await pull.receive()) as Buffer[])
        assert.equal(mappings() - before, 1)
        sender.signal("SIGKILL")
        // What waits fills the mark: the end is told behind it.
        let over = false
        gone.then(() => {
          over = true
        })
        while (!over) {
          const message = pull.tryReceive()
          if (message !== null) take(message as Buffer[])
          else await pass(1)
        }
        for (let message = pull.tryReceive(); message !== null; message = pull.tryReceive()) take(message as Buffer[])
        await until(() => mappings() === before)
      }
    })
  }

  it("after they have sent (SIGKILL while the reader stands still): everything that was published arrives", async () => {
    const address = lastingIpc()
    const count = 200
    const binder = program(`
      const pull = watch(new Pull())
      let next = 0
      pull.consume(([number]) => {
        if (Number(number) !== next++) say("broken")
        if (next === ${count}) say("all")
      })
      await pull.bind("${address}")
      say("bound")
    `)
    await binder.says(/bound/)
    const sender = program(`
      const push = new Push()
      push.connect("${address}")
      await push.ready()
      say("ready")
      process.stdin.once("data", async () => {
        for (let n = 0; n < ${count}; n++) await push.send([String(n), Buffer.alloc(1000)])
        // Published at the end of the turn at the latest.
        setTimeout(() => say("published"), 5)
      })
    `)
    await sender.says(/ready/)
    await binder.says(/handshake/)
    assert.equal(memoryFiles(binder.child.pid as number).size, 1)
    binder.signal("SIGSTOP")
    sender.tell("send")
    await sender.says(/published/)
    await sender.kill()
    assert.ok(!binder.output.includes("all"))
    binder.signal("SIGCONT")
    await binder.says(/all/)
    await binder.says(/disconnect/)
    assert.ok(!binder.output.includes("broken"))
    await until(() => memoryFiles(binder.child.pid as number).size === 0)
  })

  it("while we send to them (SIGKILL): we are told, and the others get what comes after", async () => {
    const before = mappings()
    const push = using(new Push(QUICK))
    await push.bind("ipc://*")
    const victim = program(receiver(push.lastEndpoint as string))
    const pull = using(new Pull(QUICK))
    pull.connect(push.lastEndpoint as string)
    let count = 0
    const consumer = pull.consume(() => void count++)
    using({ close: () => consumer.stop() })
    await push.ready({ peers: 2 })
    const gone = event(push.events, "disconnect")
    while (push.stats().peers.some(({ messagesSent }) => messagesSent < 100))
      await push.send(["0", Buffer.alloc(5_000)])
    victim.signal("SIGKILL")
    while (push.stats().peers.length > 1) await push.send(["0", Buffer.alloc(5_000)])
    const { error } = await gone
    assert.ok(error === undefined || error.name === "HeddleError")
    const had = count
    for (let i = 0; i < 500; i++) await push.send("after")
    await until(() => count >= had + 500)
    // Both ends of our own link.
    await until(() => mappings() - before === 2)
  })

  it("now and then (SIGSTOP, SIGCONT): nothing is lost, repeated or reordered", async () => {
    const push = using(new Push({ ...QUICK, heartbeatInterval: 0, sharedMemory: 65_536 }))
    await push.bind("ipc://*")
    const slow = program(receiver(push.lastEndpoint as string, "heartbeatInterval: 0, sharedMemory: 65536"))
    const body = (n: number): Buffer => Buffer.alloc(size(n), n)
    let sent = 0
    let going = true
    const sending = (async () => {
      for (; going; sent++) await push.send([String(sent), body(sent)])
    })()
    await slow.says(/got 100/)
    for (let round = 0; round < 3; round++) {
      slow.signal("SIGSTOP")
      // Until nothing goes any more: the ring is full, and so are the queues.
      for (let was = -1; was !== sent; ) {
        was = sent
        await pass(30)
      }
      const before = sent
      slow.signal("SIGCONT")
      await until(() => sent > before + 100)
    }
    going = false
    await sending
    while (sent % 100 !== 0) await push.send([String(sent), body(sent++)])
    await slow.says(new RegExp(`got ${sent}\\n`))
    assert.ok(!slow.output.includes("broken"), slow.output)
    assert.ok(!slow.output.includes("disconnect"), slow.output)
  })

  it("for long (SIGSTOP): heartbeats notice, and the link comes back with them", async () => {
    const push = using(new Push({ ...QUICK, heartbeatInterval: 50, heartbeatTimeout: 200 }))
    await push.bind("ipc://*")
    const sleeper = program(`
      const pull = watch(new Pull({ reconnectInterval: 5, heartbeatInterval: 0 }))
      pull.connect("${push.lastEndpoint}")
      for await (const message of pull) say("got " + message.join("|"))
    `)
    await sleeper.says(/handshake/)
    await push.ready()
    await push.send("before")
    await sleeper.says(/got before/)
    assert.equal(memoryFiles(sleeper.child.pid as number).size, 1)
    const gone = event(push.events, "disconnect")
    sleeper.signal("SIGSTOP")
    const { error } = await gone
    assert.equal(error?.code, "ERR_HEARTBEAT_TIMEOUT")
    sleeper.signal("SIGCONT")
    await push.ready()
    await push.send("after")
    await sleeper.says(/got after/)
    await until(() => memoryFiles(sleeper.child.pid as number).size === 1)
  })

  it("that live and are quiet are not taken for dead by heartbeats", async () => {
    const [pull, address] = await bound({ heartbeatInterval: 20, heartbeatTimeout: 2_000 })
    const quiet = program(`
      const push = watch(new Push({ heartbeatInterval: 0 }))
      push.connect("${address}")
      process.stdin.once("data", () => push.send("here"))
    `)
    await quiet.says(/handshake/)
    let gone = 0
    pull.events.on("disconnect", () => gone++)
    await pass(300)
    quiet.tell("speak")
    assert.equal(String(await pull.receive()), "here")
    assert.equal(gone, 0)
  })

  it("at both ends at once (SIGKILL): nothing of the memory is left", async () => {
    const address = lastingIpc()
    const shm = (): string[] => fs.readdirSync("/dev/shm").filter(name => name.includes("heddle"))
    const before = shm()
    const binder = program(`
      const pull = watch(new Pull())
      pull.consume(() => {})
      await pull.bind("${address}")
      say("bound")
    `)
    await binder.says(/bound/)
    const sender = program(`
      const push = watch(new Push())
      push.connect("${address}")
      for (let n = 0; ; n++) await push.send([String(n), body(n)])
    `)
    await sender.says(/handshake/)
    await binder.says(/handshake/)
    const [file] = memoryFiles(sender.child.pid as number)
    assert.deepEqual([...memoryFiles(binder.child.pid as number)], [file])
    await Promise.all([sender.kill(), binder.kill()])
    assert.deepEqual(shm(), before)
    for (const pid of fs.readdirSync("/proc").filter(name => /^\d+$/.test(name))) {
      let found = new Set<string>()
      try {
        found = memoryFiles(pid)
      } catch {
        // It has ended meanwhile, or is not ours to look at.
      }
      assert.ok(!found.has(file), `process ${pid} has it still`)
    }
  })

  it("that are hostile and scribble in the memory: only their own links end, with a named error", async () => {
    const [pull, address] = await bound()
    const errors: string[] = []
    pull.events.on("disconnect", ({ error }) => void errors.push(error?.code ?? "none"))
    const friend = using(new Push(QUICK))
    friend.connect(address)
    await friend.ready()
    let friendly = 0
    const consumer = pull.consume(([first]) => {
      if (first.length === 6 && first.toString() === "friend") friendly++
    })
    using({ close: () => consumer.stop() })
    const url = (name: string): string => new URL(name, import.meta.url).href
    const attacker = program(`
      const { Context } = await import("${url("../../core/context.js")}")
      const { IpcTransport } = await import("${url("../../transports/ipc.js")}")
      const { loadNative } = await import("${url("../../transports/native/native.js")}")
      const { ringSize, RING_HEADER } = await import("${url("../../transports/shm/ring-layout.js")}")
      const { scribble, scribbleRecord } = await import("${url("../transports/shm/scribbles.js")}")
      const { Random } = await import("${url("../support/random.js")}")
      const real = loadNative()
      const memories = []
      const native = { ...real, createMemory: size => {
        const made = real.createMemory(size)
        memories.push(made.memory)
        return made
      } }
      const random = Random.fresh()
      const push = new Push({ reconnectInterval: 1, reconnectMaxInterval: 2, linger: 0, sharedMemory: 4096,
        context: new Context([new IpcTransport(() => native)]) })
      push.connect("${address}")
      process.on("uncaughtException", () => {})
      setInterval(() => {
        push.trySend(["attack", Buffer.alloc(random.int(0, 3000))])
        const memory = memories.at(-1)
        if (memory === undefined || memory.byteLength === 0) return
        const words = new Int32Array(memory)
        for (let left = 20; left > 0; left--) {
          const ring = random.chance(0.7) ? 0 : ringSize(4096) >> 2
          if (random.chance(0.3)) scribble(words, ring, random)
          else scribbleRecord(words, ring + (RING_HEADER >> 2), 4096, random)
        }
      }, 1)
    `)
    let sent = 0
    while (errors.filter(code => code === "EPROTO").length < 5) {
      assert.ok(attacker.running)
      await friend.send("friend")
      sent++
      await pass(1)
    }
    await attacker.kill()
    await friend.send("friend")
    await until(() => friendly === sent + 1)
    // What else the attacker's bytes made of it: broken frames, or an end of its own accord.
    for (const code of errors) assert.match(code, /^(none|EPROTO|EMSGSIZE|ECONNRESET|EPIPE|ERR_ZMTP_\w+)$/)
  })
})
