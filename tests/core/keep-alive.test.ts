import assert from "node:assert/strict"
import { Pull } from "../../index.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { runModule } from "../support/processes.ts"

/** A program of its own, which imports the engine from beside this file, and whose output is what it says. */
const program = (body: string): Promise<{ code: number | null; output: string }> =>
  runModule(`
    import { hold, release } from "${new URL("../../core/keep-alive.js", import.meta.url)}"
    import { Pull, Push } from "${new URL("../../index.js", import.meta.url)}"
    const say = text => process.stdout.write(text + "\\n")
    process.once("exit", () => say("exit"))
    ${body}
  `)

describe("A process", () => {
  closesAfterEach()

  it("does not stay alive for open sockets", async () => {
    const { code, output } = await program(`
      const pull = new Pull()
      await pull.bind("tcp://127.0.0.1:*")
      const push = new Push()
      push.connect(pull.lastEndpoint)
      new Push().connect("tcp://127.0.0.1:1")
      say("ready")
    `)
    assert.deepEqual([code, output], [0, "ready\nexit\n"])
  })

  it("stays alive for who waits to receive", async () => {
    const { code, output } = await program(`
      const pull = new Pull({ receiveTimeout: 300 })
      await pull.bind("tcp://127.0.0.1:*")
      pull.receive().catch(error => say(error.code))
    `)
    assert.deepEqual([code, output], [0, "EAGAIN\nexit\n"])
  })

  it("stays alive for who waits to send, and for close", async () => {
    const { code, output } = await program(`
      const push = new Push({ sendHighWaterMark: 1, linger: 300 })
      push.connect("tcp://127.0.0.1:1")
      await push.send("queued")
      const waiting = push.send("waits").catch(error => say(error.code))
      setTimeout(() => push.close().then(() => say("closed")), 100).unref()
    `)
    assert.deepEqual([code, output], [0, "EAGAIN\nclosed\nexit\n"])
  })

  it("sends what is queued before it ends, within linger", async () => {
    const { code, output } = await program(`
      const pull = new Pull()
      await pull.bind("tcp://127.0.0.1:*")
      const push = new Push()
      push.connect(pull.lastEndpoint)
      for (let i = 0; i < 100; i++) await push.send(String(i))
      let count = 0
      const consumer = pull.consume(() => {
        if (++count === 100) {
          say("all")
          consumer.stop()
        }
      })
    `)
    assert.deepEqual([code, output], [0, "all\nexit\n"])
  })

  it("sends a large message to its end, though the operating system takes it in pieces", async () => {
    const pull = using(new Pull())
    await pull.bind("tcp://127.0.0.1:*")
    const running = program(`
      const push = new Push()
      push.connect("${pull.lastEndpoint}")
      await push.ready()
      await push.send(Buffer.alloc(30_000_000, "large"))
      say("sent")
    `)
    const [message] = await pull.receive()
    assert.ok(message.equals(Buffer.alloc(30_000_000, "large")))
    assert.deepEqual((await running).output, "sent\nexit\n")
  })

  it("counts those who hold it: the last release lets it go", async () => {
    const { code, output } = await program(`
      hold()
      hold()
      release()
      setTimeout(() => {
        say("still here")
        release()
        hold()
        release()
      }, 100).unref()
    `)
    assert.deepEqual([code, output], [0, "still here\nexit\n"])
  })
})
