import assert from "node:assert/strict"
import { Pull, Push } from "../../index.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { Program } from "../support/processes.ts"
import { event, pass, until } from "../support/wait.ts"

const INDEX = new URL("../../index.js", import.meta.url).href
const QUICK = { reconnectInterval: 5, reconnectMaxInterval: 20, linger: 0 }

/** A program with a socket of its own, which says what happens to it. */
const program = (body: string): Program =>
  Program.start(`
    import { Pull, Push } from "${INDEX}"
    const say = text => process.stdout.write(text + "\\n")
    const watch = socket => {
      for (const type of ["connect", "handshake", "disconnect"]) {
        socket.events.on(type, ({ error }) => say(error === undefined ? type : type + " " + error.code))
      }
      return socket
    }
    // The programs live until they are killed, or until their test is gone.
    process.stdin.resume()
    ${body}
  `)

describe("Processes that die or stand still", () => {
  closesAfterEach()

  const bound = async (options: ConstructorParameters<typeof Pull>[0] = {}): Promise<[Pull, string]> => {
    const pull = using(new Pull({ ...QUICK, ...options }))
    await pull.bind("tcp://127.0.0.1:*")
    return [pull, pull.lastEndpoint as string]
  }

  it("in the middle of a message (SIGKILL): it does not arrive in parts, and others go on", async () => {
    const [pull, address] = await bound({ maxMessageSize: -1 })
    const other = using(new Push(QUICK))
    other.connect(address)
    await other.ready()
    const sender = program(`
      const push = watch(new Push())
      push.connect("${address}")
      await push.ready()
      await push.send("whole")
      // It never ends: the parent kills us on the way.
      const part = Buffer.alloc(4_000_000)
      push.send(Array(200).fill(part))
    `)
    assert.equal(String(await pull.receive()), "whole")
    await until(() => pull.stats().bytesReceived > 20_000_000)
    const gone = event(pull.events, "disconnect")
    sender.signal("SIGKILL")
    const { error } = await gone
    assert.ok(error === undefined || error.name === "HeddleError")
    await until(() => pull.stats().peers.length === 1)
    assert.equal(pull.tryReceive(), null)
    await other.send("still here")
    assert.equal(String(await pull.receive()), "still here")
  })

  it("while we send to them (SIGKILL): the others get what comes after", async () => {
    const push = using(new Push(QUICK))
    await push.bind("tcp://127.0.0.1:*")
    const receiver = program(`
      const pull = watch(new Pull())
      pull.connect("${push.lastEndpoint}")
      let count = 0
      pull.consume(() => { if (++count === 100) say("reading") })
    `)
    const pull = using(new Pull(QUICK))
    pull.connect(push.lastEndpoint as string)
    const got: string[] = []
    const consumer = pull.consume(([frame]) => void got.push(frame.toString("latin1", 0, 4)))
    using({ close: () => consumer.stop() })
    await push.ready({ peers: 2 })
    const body = Buffer.alloc(1_000)
    while (!receiver.output.includes("reading")) await push.send(body)
    receiver.signal("SIGKILL")
    await receiver.exited
    while (push.stats().peers.length > 1) await push.send(body)
    for (let i = 0; i < 1_000; i++) await push.send(`${i}`)
    await until(() => got.at(-1) === "999")
    assert.deepEqual(
      got.slice(-1_000),
      Array.from({ length: 1_000 }, (_, i) => `${i}`),
    )
  })

  it("and start again: the connecting side finds them, and sends what waited", async () => {
    const [pull, address] = await bound()
    await pull.unbind(address)
    const push = using(new Push(QUICK))
    push.connect(address)
    await push.send("waited")
    for (let round = 0; round < 2; round++) {
      const binder = program(`
        const pull = watch(new Pull())
        await pull.bind("${address}")
        for await (const message of pull) say("got " + message.join("|"))
      `)
      await binder.says(/got waited/)
      const gone = event(push.events, "disconnect")
      binder.signal("SIGKILL")
      await gone
      await push.send("waited")
    }
  })

  it("(SIGSTOP): heartbeats notice, and the link comes back with them", async () => {
    const push = using(new Push({ ...QUICK, heartbeatInterval: 50, heartbeatTimeout: 200 }))
    await push.bind("tcp://127.0.0.1:*")
    const receiver = program(`
      const pull = watch(new Pull({ reconnectInterval: 5, heartbeatInterval: 0 }))
      pull.connect("${push.lastEndpoint}")
      for await (const message of pull) say("got " + message.join("|"))
    `)
    await receiver.says(/handshake/)
    await push.ready()
    await push.send("before")
    await receiver.says(/got before/)
    const gone = event(push.events, "disconnect")
    receiver.signal("SIGSTOP")
    const { error } = await gone
    assert.equal(error?.code, "ERR_HEARTBEAT_TIMEOUT")
    assert.equal(push.writable, false)
    receiver.signal("SIGCONT")
    await push.ready()
    await push.send("after")
    await receiver.says(/got after/)
  })

  it("(SIGSTOP, then SIGCONT): who stood still does not take the others for dead", async () => {
    const [pull, address] = await bound({ heartbeatInterval: 0 })
    const sender = program(`
      const push = watch(new Push({ heartbeatInterval: 50, heartbeatTimeout: 200 }))
      push.connect("${address}")
      await push.ready()
      say("ready")
      process.stdin.once("data", () => push.send("here again"))
    `)
    await sender.says(/ready/)
    for (let round = 0; round < 3; round++) {
      sender.signal("SIGSTOP")
      await pass(400)
      sender.signal("SIGCONT")
      await pass(100)
    }
    sender.tell("go on")
    assert.equal(String(await pull.receive()), "here again")
    assert.ok(!sender.output.includes("disconnect"), sender.output)
  })

  it("(SIGSTOP), and had said how long to wait (heartbeatTimeToLive): the link ends then, without a question of ours", async () => {
    const [pull] = await bound({ heartbeatInterval: 0 })
    const sender = program(`
      const push = watch(new Push({ heartbeatInterval: 50, heartbeatTimeout: 10_000, heartbeatTimeToLive: 300 }))
      push.connect("${pull.lastEndpoint}")
    `)
    await sender.says(/handshake/)
    await pull.ready()
    const { bytesReceived } = pull.stats()
    await until(() => pull.stats().bytesReceived > bytesReceived)
    const gone = event(pull.events, "disconnect")
    sender.signal("SIGSTOP")
    assert.equal((await gone).error?.code, "ERR_HEARTBEAT_TIMEOUT")
  })
})
