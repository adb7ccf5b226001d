import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { closesAfterEach } from "../support/cleanup.ts"
import { lastingIpc } from "../support/sockets.ts"
import { heddle, Running } from "./heddle.ts"

describe("heddle: the command line", () => {
  closesAfterEach()

  it("mistakes of usage give 2 and say what is right", async () => {
    const cases: [string[], RegExp][] = [
      [["push"], /^heddle push: give --bind ADDR or --connect ADDR/],
      [["nonsense"], /^heddle: unknown command 'nonsense'/],
      [["pull", "--nonsense"], /^heddle: unknown option '--nonsense'/],
      [
        ["pull", "--count", "0"],
        /^heddle: option '-n, --count <n>' argument '0' is invalid. Expected a whole number from 1/,
      ],
      [["pull", "--bind", "ipc://@x", "--frames", "--delimiter", ","], /--delimiter is for lines/],
      [["pull", "--bind", "ipc://@x", "--frames", "--json"], /--frames and --json exclude each other/],
      [["rep", "--bind", "ipc://@x"], /give one of --reply TEXT, --echo and --exec CMD/],
      [["rep", "--bind", "ipc://@x", "--echo", "--reply", "a"], /give one of/],
      [["proxy", "--type", "queue", "--front", "ipc://@x"], /^heddle proxy: give --back ADDR or --back-connect ADDR/],
      [["proxy", "--front", "ipc://@x"], /required option '--type <name>' not specified/],
      [["bench", "--bind", "ipc://@x"], /go with --role send or --role receive/],
    ]
    const running = cases.map(([args]) => heddle(...args))
    for (const [i, [args, wanted]] of cases.entries()) {
      await running[i].ends(2)
      assert.match(running[i].errors, wanted, args.join(" "))
      assert.equal(running[i].text, "")
    }
  })

  it("an address that cannot work gives 1 and one line: code, what, what to do", async () => {
    const taken = lastingIpc()
    const holder = heddle("pull", "--bind", taken, "--verbose")
    await holder.prints("bind ipc://")
    const cases: [string[], RegExp][] = [
      [["--bind", "localhost:5555"], /^heddle pull: EINVAL: .*has no scheme; write tcp:\/\/host:port/],
      [["--connect", "carrier-pigeon://roof"], /^heddle pull: EPROTONOSUPPORT: /],
      [["--bind", taken], /^heddle pull: EADDRINUSE: /],
    ]
    for (const [args, wanted] of cases) {
      const running = await heddle("pull", ...args).ends(1)
      assert.match(running.errors, wanted)
      assert.equal(running.errors.split("\n").length, 2, "one line")
    }
  })

  it("HEDDLE_DEBUG=1 shows the stack", async () => {
    const script = heddle("--version").child.spawnargs[1]
    const env = { ...process.env, HEDDLE_DEBUG: "1" }
    const running = await new Running(process.execPath, [script, "pull", "--bind", "nowhere"], { env }).ends(1)
    assert.match(running.errors, /EINVAL|has no scheme/)
    assert.match(running.errors, /\n {4}at /)
  })

  it("bad input is an error, and what was read before it is sent", async () => {
    const address = lastingIpc()
    const push = heddle("push", "--bind", address, "--json").feed('["good"]\nbad\n')
    const pull = await heddle("pull", "--connect", address, "--count", "1").ends(0)
    await push.ends(1)
    assert.equal(pull.text, "good\n")
    assert.match(push.errors, /^heddle push: input: not JSON/)
  })

  it("a peer of the wrong type is reported, once", async () => {
    const address = lastingIpc()
    const pull = heddle("pull", "--bind", address)
    const pub = heddle("pub", "--connect", address, "hello")
    await pub.prints("ERR_")
    await pull.prints("ERR_PEER_INCOMPATIBLE")
    pub.signal("SIGINT")
    await pub.ends(130)
    pull.signal("SIGINT")
    await pull.ends(0)
    assert.match(pull.errors, /^heddle pull: ERR_PEER_INCOMPATIBLE: A PULL socket cannot talk to the PUB socket/)
  })

  it("the real address behind a wildcard is told, unless --quiet", async () => {
    const pull = heddle("pull", "--bind", "tcp://127.0.0.1:*", "--count", "1")
    await pull.prints("\n")
    const [, address] =
      /^heddle pull: listens on (tcp:\/\/127\.0\.0\.1:\d+)\n$/.exec(pull.errors) ?? assert.fail(pull.errors)
    await heddle("push", "--connect", address, "hello").ends(0)
    await pull.ends(0)
    const quiet = await heddle("pull", "--bind", "tcp://127.0.0.1:*", "--quiet", "--timeout", "20").ends(0)
    assert.equal(quiet.errors, "")
  })

  it("--version is the package's, --help has examples for every command", async () => {
    const { version } = JSON.parse(readFileSync(new URL(import.meta.resolve("heddle/package.json")), "utf8"))
    const asked = [["--version"], ["pub", "--version"], ["bridge", "-V"], ["bridge", "status", "--version"]]
    for (const one of asked.map(args => heddle(...args))) assert.equal((await one.ends(0)).text, `${version}\n`)
    const help = (await heddle("--help").ends(0)).text
    assert.match(help, /Exit codes: 0 done/)
    const sockets = ["pub", "sub", "push", "pull", "req", "rep", "proxy", "bench"]
    const commands = [...sockets, "serve", "work", "peers", "top", "trace"]
    const pages = commands.map(command => heddle(command, "--help"))
    for (const [i, command] of commands.entries()) {
      assert.match(help, new RegExp(`^ {2}${command} `, "m"))
      const { text } = await pages[i].ends(0)
      assert.match(text, new RegExp(`Examples:\n.*heddle ${command} `, "s"))
    }
  })

  it("without a command it prints the help and gives 2", async () => {
    const running = await heddle().ends(2)
    assert.match(running.errors, /Usage: heddle/)
  })
})
