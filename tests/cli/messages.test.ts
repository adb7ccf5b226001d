import assert from "node:assert/strict"
import { closesAfterEach } from "../support/cleanup.ts"
import { LONG_RUN } from "../support/random.ts"
import { lastingIpc } from "../support/sockets.ts"
import { heddle, shell } from "./heddle.ts"

const LINES = LONG_RUN ? 1_000_000 : 100_000

describe("heddle: messages between processes", () => {
  closesAfterEach()

  it(`push | pull: ${LINES} lines through pipes, complete and in order`, async () => {
    const address = lastingIpc()
    const input = Array.from({ length: LINES }, (_, i) => `line ${i}\n`).join("")
    const pull = shell(`heddle pull --connect "$ADDR" --count ${LINES} | cat`, {
      env: { ...process.env, ADDR: address },
    })
    const push = shell('cat | heddle push --bind "$ADDR"', { env: { ...process.env, ADDR: address } }).feed(input)
    await push.ends(0)
    await pull.ends(0)
    assert.ok(pull.text === input, `${pull.text.length} bytes arrived of ${input.length}, or in another order`)
  })

  it("pub | sub: subscribers get the topics that they asked for, and nobody who waits misses the first message", async () => {
    const address = lastingIpc()
    const subs = [[], ["--topic", "eu."], ["--topic", "eu.", "--topic", "us."], ["--topic", "none"]].map(topics =>
      heddle("sub", "--connect", address, ...topics),
    )
    const pub = heddle("pub", "--bind", address, "--wait", "4", "--delimiter", "\\t")
    await pub.feed("eu.a\t1\nus.b\t2\nasia.c\t3\neu.d\n").ends(0)
    const wanted = ["eu.a\t1\nus.b\t2\nasia.c\t3\neu.d\n", "eu.a\t1\neu.d\n", "eu.a\t1\nus.b\t2\neu.d\n", ""]
    for (const [i, sub] of subs.entries()) {
      if (wanted[i] !== "") await sub.prints(wanted[i])
      sub.signal("SIGINT")
      await sub.ends(0)
      assert.equal(sub.text, wanted[i])
    }
  })

  it("pub --topic puts the topic first; sub --json shows the frames", async () => {
    const address = lastingIpc()
    const sub = heddle("sub", "--connect", address, "--json", "--count", "2")
    await heddle("pub", "--bind", address, "--topic", "weather", "12 degrees", "rain").ends(0)
    await sub.ends(0)
    assert.equal(sub.text, '["weather","12 degrees"]\n["weather","rain"]\n')
  })

  it("binary frames pass as they are: empty ones, several, and all 256 bytes", async () => {
    const address = lastingIpc()
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const messages = [[all], [Buffer.alloc(0)], [Buffer.alloc(0), all, Buffer.alloc(0)], [Buffer.alloc(300_000, 1)]]
    const input = Buffer.concat(messages.flatMap(frames => [number(frames.length), ...frames.flatMap(withLength)]))
    const pull = heddle("pull", "--connect", address, "--frames", "--count", `${messages.length}`)
    await heddle("push", "--bind", address, "--format", "frames").feed(input).ends(0)
    await pull.ends(0)
    assert.ok(pull.bytes.equals(input), `${pull.bytes.length} bytes came back of ${input.length}, or others`)
  })

  it("req | rep: a text, an echo, and a command that sees the request", async () => {
    const ways: [string[], string][] = [
      [["--reply", "pong"], "pong\npong\n"],
      [["--echo"], "a b\nc\n"],
      [["--exec", "tr a-z A-Z"], "A B\nC\n"],
    ]
    for (const [way, replies] of ways) {
      const address = lastingIpc()
      const rep = heddle("rep", "--bind", address, "--count", "2", ...way)
      const req = heddle("req", "--connect", address).feed("a b\nc\n")
      await req.ends(0)
      await rep.ends(0)
      assert.equal(req.text, replies)
    }
  })

  it("rep --exec: a command that fails is reported, and the client gets an empty reply", async () => {
    const failures: [string[], RegExp][] = [
      [["--exec", "exit 3"], /it exited with 3; the reply is empty/],
      // The shell waits for a child, which must go, too: it holds the pipe open.
      [["--exec", "sleep 600; echo late", "--exec-timeout", "50"], /it took longer than 50 ms; the reply is empty/],
      [["--exec", "yes", "--max-size", "1000000"], /it printed more than 1000000 bytes; raise --max-size/],
    ]
    for (const [exec, wanted] of failures) {
      const address = lastingIpc()
      const rep = heddle("rep", "--bind", address, "--count", "1", ...exec)
      const req = await heddle("req", "--connect", address, "hello").ends(0)
      await rep.ends(0)
      assert.equal(req.text, "\n")
      assert.match(rep.errors, wanted)
    }
  })

  it("rep --exec --frames: the command gets and gives messages with all their frames", async () => {
    const address = lastingIpc()
    const rep = heddle("rep", "--bind", address, "--exec", "cat", "--json", "--count", "1")
    const req = await heddle("req", "--connect", address, "--json", '["a","","b"]').ends(0)
    await rep.ends(0)
    assert.equal(req.text, '["a","","b"]\n')
  })

  it("several --bind and --connect: one socket for all of them", async () => {
    const [one, two] = [lastingIpc(), lastingIpc()]
    const pull = heddle("pull", "--bind", one, "--connect", two, "--count", "2")
    await heddle("push", "--connect", one, "first").ends(0)
    await heddle("push", "--bind", two, "second").ends(0)
    await pull.ends(0)
    assert.equal(pull.text, "first\nsecond\n")
  })

  it("--count repeats messages of the command line, and stops stdin early", async () => {
    const address = lastingIpc()
    const pull = heddle("pull", "--connect", address, "--count", "7")
    await heddle("push", "--bind", address, "-m", "a", "-m", "b", "--count", "5").ends(0)
    await heddle("push", "--bind", address, "--count", "2").feed("c\nd\ne\n").ends(0)
    await pull.ends(0)
    assert.equal(pull.text, "a\nb\na\nb\na\nc\nd\n")
  })

  it("--rate spreads messages over time", async () => {
    const address = lastingIpc()
    const pull = heddle("pull", "--connect", address, "--count", "21")
    const times: number[] = []
    pull.child.stdout?.on("data", (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) times.push(performance.now())
    })
    await heddle("push", "--bind", address, "--wait", "1", "-m", "tick", "--count", "21", "--rate", "40").ends(0)
    await pull.ends(0)
    // 20 intervals of 25 ms. Only the least is certain: a busy machine makes it longer.
    assert.ok(times[20] - times[0] > 400, `21 messages at 40 a second took ${times[20] - times[0]} ms`)
  })
})

function number(value: number): Buffer {
  const field = Buffer.alloc(4)
  field.writeUInt32BE(value)
  return field
}

function withLength(frame: Buffer): Buffer[] {
  return [number(frame.length), frame]
}
