import assert from "node:assert/strict"
import fs from "node:fs"
import { closesAfterEach } from "../support/cleanup.ts"
import { lastingIpc } from "../support/sockets.ts"
import { until } from "../support/wait.ts"
import { heddle, type Running, shell } from "./heddle.ts"

/** Peak of a process's memory in MB, as the kernel counts it; null where it does not say. */
function peakMemory(running: Running): number | null {
  try {
    const status = fs.readFileSync(`/proc/${running.child.pid}/status`, "utf8")
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1000
  } catch {
    return null
  }
}

describe("heddle: how commands end", () => {
  closesAfterEach()

  it("SIGINT and SIGTERM end an endless command with 0, and what it has is printed", async () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const address = lastingIpc()
      const pull = heddle("pull", "--bind", address)
      await heddle("push", "--connect", address, "a", "b").ends(0)
      await pull.prints("a\nb\n")
      pull.signal(signal)
      await pull.ends(0)
      assert.equal(pull.text, "a\nb\n")
      assert.equal(pull.errors, "")
    }
  })

  it("a signal before the job is done gives 130 or 143", async () => {
    const address = lastingIpc()
    const cases: [string[], "SIGINT" | "SIGTERM", number][] = [
      [["pull", "--bind", address, "--count", "5"], "SIGINT", 130],
      [["push", "--bind", lastingIpc(), "nobody", "takes", "it"], "SIGTERM", 143],
      [["push", "--bind", lastingIpc()], "SIGINT", 130],
      [["pub", "--bind", lastingIpc(), "waits for a subscriber"], "SIGINT", 130],
      [["req", "--bind", lastingIpc(), "waits for a server"], "SIGTERM", 143],
      [["bench", "--role", "receive", "--bind", lastingIpc()], "SIGINT", 130],
    ]
    const running = cases.map(([args]) => heddle(...args, "--verbose"))
    for (const [i, [, signal, code]] of cases.entries()) {
      await running[i].prints("bind ipc://")
      running[i].signal(signal)
      await running[i].ends(code)
    }
  })

  it("push sends what it has read before it ends on a signal", async () => {
    const address = lastingIpc()
    const push = heddle("push", "--connect", address, "--verbose", "--linger", "-1")
    push.child.stdin?.write("one\ntwo\n")
    await push.prints("connect:retry")
    push.signal("SIGINT")
    const pull = await heddle("pull", "--bind", address, "--count", "2").ends(0)
    await push.ends(130)
    assert.equal(pull.text, "one\ntwo\n")
  })

  it("a second signal ends at once", async () => {
    const push = heddle("push", "--connect", lastingIpc(), "--linger", "-1", "--verbose", "kept for ever")
    await push.prints("connect:retry")
    push.signal("SIGINT")
    await until(() => {
      push.signal("SIGINT")
      return push.child.exitCode !== null
    })
    await push.ends(130)
  })

  it("| head -1 ends the command with 0, in silence, though no further message comes", async () => {
    const address = lastingIpc()
    // The exit code of the command itself, which a pipe hides, comes out on stderr.
    const line = shell('{ heddle sub --connect "$ADDR" --topic t; echo "exit $?" >&2; } | head -1', {
      env: { ...process.env, ADDR: address },
    })
    const pub = heddle("pub", "--bind", address, "--topic", "t")
    pub.child.stdin?.write("only\n")
    await line.ends(0)
    assert.equal(line.text, "t\tonly\n")
    assert.equal(line.errors, "exit 0\n")
    pub.child.stdin?.end()
    await pub.ends(0)
  })

  it("a reader that leaves in the middle of much output ends it, too", async () => {
    const address = lastingIpc()
    const line = shell('{ heddle pull --connect "$ADDR"; echo "exit $?" >&2; } | head -c 100000 | wc -c', {
      env: { ...process.env, ADDR: address },
    })
    heddle("push", "--bind", address, "-m", "x".repeat(1000), "--count", "1000000")
    await line.ends(0)
    assert.equal(line.text.trim(), "100000")
    assert.equal(line.errors, "exit 0\n")
  })

  it("a full disk is an error, though every write before it went well", async function () {
    if (!fs.existsSync("/dev/full")) this.skip()
    const address = lastingIpc()
    const env = { ...process.env, ADDR: address }
    const line = shell('heddle pull --connect "$ADDR" --count 1 > /dev/full', { env })
    await heddle("push", "--bind", address, "hello").ends(0)
    await line.ends(1)
    assert.match(line.errors, /^heddle pull: cannot write to stdout: ENOSPC/)
  })

  it("a slow reader of stdout holds up the whole way, and memory stays bounded", async () => {
    const address = lastingIpc()
    const [size, count] = [64 * 1024, 4_000]
    const pull = heddle("pull", "--connect", address, "--hwm", "100")
    const push = heddle("push", "--bind", address, "--hwm", "100", "-m", "x".repeat(size), "--count", `${count}`)
    // 260 MB altogether; the reader takes a little, and then nothing for a moment, again and again.
    const { stdout } = pull.child
    let received = 0
    let chunks = 0
    stdout?.on("data", (chunk: Buffer) => {
      received += chunk.length
      if (++chunks % 4 > 0) return
      stdout.pause()
      setTimeout(() => stdout.resume(), 1)
    })
    await push.ends(0)
    await until(() => received === (size + 1) * count)
    const peak = peakMemory(pull)
    pull.signal("SIGINT")
    await pull.ends(0)
    if (peak !== null) assert.ok(peak < 200, `pull needed ${peak} MB for ${received / 1e6} MB of messages`)
  })

  it("--timeout: silence ends sub and pull in order, but not while --count is open", async () => {
    const pull = await heddle("pull", "--bind", lastingIpc(), "--timeout", "50").ends(0)
    assert.equal(pull.errors, "")
    const sub = await heddle("sub", "--bind", lastingIpc(), "--timeout", "50", "--count", "3").ends(1)
    assert.equal(sub.errors, "heddle sub: no message for 50 ms; 0 of 3 have come\n")
  })

  it("--timeout: push, pub and req give up", async () => {
    const cases: [string, RegExp][] = [
      ["push", /^heddle push: no peer had room, or came, within 50 ms/],
      ["pub", /^heddle pub: no peer had room, or came, within 50 ms/],
      ["req", /^heddle req: no reply within 50 ms; is a server there/],
    ]
    for (const [command, wanted] of cases) {
      const running = await heddle(command, "--bind", lastingIpc(), "--timeout", "50", "hello").ends(1)
      assert.match(running.errors, wanted)
      assert.equal(running.errors.split("\n").length, 2, "one line")
    }
  })

  it("messages that nobody took within --linger are no success", async () => {
    const push = await heddle("push", "--connect", lastingIpc(), "--linger", "30", "a", "b").ends(1)
    assert.match(push.errors, /^heddle push: 2 messages lost: their peer left, or none took them in time/)
  })
})
