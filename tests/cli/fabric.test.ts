import assert from "node:assert/strict"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { directory, type Fabric, join, seeds } from "../../index.ts"
import { closesAfterEach, later, using } from "../support/cleanup.ts"
import { until } from "../support/wait.ts"
import { heddle, heddleWith, type Running } from "./heddle.ts"

describe("heddle on a fabric", () => {
  closesAfterEach()

  let folder = ""
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-test-"))
    later(() => fs.rmSync(folder, { recursive: true, force: true }))
  })

  /** The command, with a folder of its own for nodes to find one another. */
  function shop(command: string, ...args: string[]): Running {
    return heddleWith({ HEDDLE_DIR: folder }, command, "--fabric", "shop", ...args)
  }

  async function node(name: string): Promise<Fabric> {
    return using(await join("shop", { name, discovery: [directory({ path: folder })] }))
  }

  const linesOf = ({ text }: Running): string[] => text.split("\n").slice(0, -1)

  it("sub prints what pub publishes: the subject, and the value as text", async () => {
    const sub = shop("sub", "orders.>", "--count", "4")
    const pub = shop("pub", "--wait", "1", "orders.eu.created", '{"id":7}', "hello", "7", "-m", "last")
    await pub.ends(0)
    await sub.ends(0)
    assert.deepEqual(
      linesOf(sub),
      ['{"id":7}', "hello", "7", "last"].map(text => `orders.eu.created\t${text}`),
    )
    assert.equal(pub.errors, "")
    assert.equal(sub.errors, "")
  })

  it("pub sends lines of stdin, repeats messages for --count, and says that nobody wanted them", async () => {
    const subs = [shop("sub", "a.*", "--no-subject", "--count", "5"), shop("sub", "none", "a.b", "--count", "5")]
    await shop("pub", "--wait", "2", "a.b").feed("one\ntwo").ends(0)
    await shop("pub", "--wait", "2", "--count", "3", "--rate", "1000", "a.b", "x", "y").ends(0)
    for (const sub of subs) await sub.ends(0)
    assert.deepEqual(linesOf(subs[0]), ["one", "two", "x", "y", "x"])
    assert.deepEqual(linesOf(subs[1])[4], "a.b\tx")
    const alone = await shop("pub", "nobody.there", "1", "2").ends(0)
    assert.match(alone.errors, /^heddle pub: nobody got it: no subscriber of nobody.there is there/)
  })

  it("more than fits into any queue arrives whole", async () => {
    const count = 40_000
    const sub = shop("sub", "n", "--no-subject", "--count", String(count))
    const lines = Array.from({ length: count }, (_, i) => `${i}`).join("\n")
    const pub = await shop("pub", "--wait", "1", "n").feed(lines).ends(0)
    await sub.ends(0)
    assert.equal(sub.text, `${lines}\n`)
    assert.equal(pub.errors, "")
  })

  it("--json prints whole messages, with --headers their headers; payload options say how values travel", async () => {
    const watcher = await node("watcher")
    const kinds: unknown[] = []
    const local = watcher.subscribe("k", message => kinds.push(message.data))
    await local.ready
    const sub = shop("sub", "k", "--json", "--headers", "--count", "4")
    await watcher.ready({ subject: "k", subscribers: 2 })
    await shop("pub", "k", "7", "--string", "--header", "a=1", "--header", "a=2=3", "--name", "tester").ends(0)
    await shop("pub", "k", "7", "--bytes").ends(0)
    await shop("pub", "k", "7", "--json").ends(0)
    await shop("pub", "k", "[7]", "--msgpack").ends(0)
    await sub.ends(0)
    const found = linesOf(sub).map(line => JSON.parse(line))
    const headers = [
      ["a", "1"],
      ["a", "2=3"],
    ]
    assert.deepEqual(found[0], { subject: "k", from: "tester", headers, data: "7" })
    assert.deepEqual(
      found.map(one => one.data),
      ["7", { base64: "Nw==" }, 7, [7]],
    )
    assert.deepEqual(kinds, ["7", Buffer.from("7"), 7, [7]])
    const bad = await shop("pub", "k", "seven", "--json").ends(1)
    assert.match(bad.errors, /^heddle pub: input: not JSON/)
  })

  it("members of a queue group share; --history brings what was kept", async () => {
    const publisher = await node("publisher")
    publisher.keep("t.*")
    const members = [1, 2].map(() => shop("sub", "t.*", "--queue", "q", "--no-subject", "--verbose"))
    await publisher.ready({ subject: "t.x", subscribers: 2 })
    for (let i = 0; i < 10; i++) publisher.publish("t.x", i)
    await until(() => members.flatMap(linesOf).length === 10)
    for (const member of members) {
      assert.ok(linesOf(member).length > 0, "each has its share")
      member.signal("SIGTERM")
      await member.ends(0)
    }
    const late = await shop("sub", "t.*", "--history", "last", "--json", "--count", "1").ends(0)
    assert.deepEqual(JSON.parse(late.text), { subject: "t.x", from: "publisher", kept: true, data: 9 })
  })

  it("req asks serve: a command, an echo, a text; one, many or a stream of replies", async () => {
    const exec = `read x; echo "{\\"of\\":\\"$HEDDLE_SUBJECT\\",\\"by\\":\\"$HEDDLE_FROM\\",\\"is\\":$x}"`
    const servers = [
      shop("serve", "stock.*", "--exec", exec),
      shop("serve", "echo", "--echo"),
      shop("serve", "text", "--reply", "so be it", "--count", "1"),
    ]
    const asker = await node("asker")
    asker.serve("count", function* () {
      yield 1
      yield 2
    })
    asker.serve("echo", () => "another")
    const ask = async (...args: string[]) => linesOf(await shop("req", "--wait", "1", ...args).ends(0))
    assert.deepEqual(await ask("stock.check", '{"sku":1}', "--name", "me"), [
      '{"of":"stock.check","by":"me","is":{"sku":1}}',
    ])
    assert.deepEqual(await ask("text", "anything"), ["so be it"])
    assert.deepEqual((await ask("echo", "[1,2]", "--many", "--wait", "2")).sort(), ["[1,2]", "another"])
    assert.deepEqual(await ask("count", "0", "--stream"), ["1", "2"])
    assert.deepEqual(await ask("count", "0", "--stream", "--json"), [
      '{"from":"asker","data":1}',
      '{"from":"asker","data":2}',
    ])
    await servers[2].ends(0)
    for (const server of servers.slice(0, 2)) {
      server.signal("SIGINT")
      await server.ends(0)
    }
  })

  it("req: nobody there, a command that fails, and no answer in time are errors that say so", async () => {
    const nobody = await shop("req", "none", "1").ends(1)
    assert.match(nobody.errors, /^heddle req: nobody serves none \(--wait 1 waits for a server\)\n$/)
    const server = shop("serve", "fails", "--exec", "exit 3", "--queue", "q")
    const failed = await shop("req", "--wait", "1", "fails", "1").ends(1)
    assert.match(failed.errors, /ERR_REMOTE: .*it exited with 3/)
    await server.prints("it exited with 3")
    const slow = await node("slow")
    await slow.serve("slow", () => new Promise(() => {})).ready
    const late = await shop("req", "slow", "1", "--timeout", "50").ends(1)
    assert.match(late.errors, /ETIMEDOUT/)
  })

  it("push waits for work, which runs a command for each task or prints it", async () => {
    const push = shop("push", "jobs.a").feed("1\n2\n3\n")
    const printer = await shop("work", "jobs.*", "--count", "3").ends(0)
    await push.ends(0)
    assert.deepEqual(linesOf(printer), ["jobs.a\t1", "jobs.a\t2", "jobs.a\t3"])
    const worker = shop("work", "jobs.b", "--exec", 'read x; echo "did $x"', "--concurrency", "2", "--count", "4")
    await shop("push", "jobs.b", "1", "2", "3", "4").ends(0)
    await worker.ends(0)
    assert.deepEqual(linesOf(worker).sort(), ["did 1", "did 2", "did 3", "did 4"])
  })

  it("a task of a killed worker is done by another; one that always fails is an error of push", async () => {
    const marker = path.join(folder, "begun")
    const first = shop("work", "jobs", "--exec", `echo $$ > ${marker}; exec sleep 60 2> ${folder}/errors`)
    const push = shop("push", "--wait", "1", "jobs", "precious")
    await until(() => fs.existsSync(marker) && fs.readFileSync(marker, "utf8").endsWith("\n"))
    // Nobody else ends it once the worker is killed.
    const pid = Number(fs.readFileSync(marker, "utf8"))
    later(() => process.kill(pid, "SIGKILL"))
    const second = shop("work", "jobs", "--exec", "cat", "--count", "1")
    first.child.kill("SIGKILL")
    await push.ends(0)
    await second.ends(0)
    assert.equal(second.text, "precious\n")
    const failing = shop("work", "bad", "--exec", "exit 1")
    const failed = await shop("push", "--wait", "1", "bad", "1").ends(1)
    assert.match(failed.errors, /heddle push: 1 task failed\n$/)
    await failing.prints("the task goes to another worker, or comes again")
  })

  it("signals: what has no end of its own gives 0, a job that was not done 130 or 143", async () => {
    const cases: [Running, "SIGINT" | "SIGTERM", number][] = [
      [shop("sub", "x", "-v"), "SIGINT", 0],
      [shop("sub", "x", "-v", "--count", "1"), "SIGTERM", 143],
      [shop("serve", "x", "-v", "--echo"), "SIGTERM", 0],
      [shop("work", "y", "-v"), "SIGTERM", 0],
      [shop("pub", "-v", "--wait", "1", "nobody", "1"), "SIGINT", 130],
      [shop("top", "-v", "--count", "100000"), "SIGINT", 130],
    ]
    for (const [running, signal, code] of cases) {
      await running.prints("joined shop")
      running.signal(signal)
      await running.ends(code)
    }
  })

  it("push that is ended before its tasks are done says how many are lost", async () => {
    const push = shop("push", "nobody", "1", "2")
    const watcher = await node("watcher")
    await watcher.ready({ peers: 1 })
    let outstanding = 0
    while (outstanding < 2) {
      const { nodes } = await watcher.survey()
      outstanding = nodes.reduce((sum, one) => sum + one.stats.tasks.outstanding, 0)
    }
    push.signal("SIGINT")
    await push.ends(130)
    assert.equal(push.errors, "heddle push: 2 tasks lost: no worker has done them before we left\n")
  })

  it("--timeout ends a silent sub; with --count it is an error; a gone reader ends it too", async () => {
    assert.equal((await shop("sub", "x", "--timeout", "50").ends(0)).text, "")
    const late = await shop("sub", "x", "--timeout", "50", "--count", "1").ends(1)
    assert.match(late.errors, /no message for 50 ms; 0 of 1 have come/)
    const sub = shop("sub", "x", "--verbose")
    const publisher = await node("publisher")
    await publisher.ready({ subject: "x", subscribers: 1 })
    sub.child.stdout?.destroy()
    publisher.publish("x", "nobody reads this")
    await sub.ends(0)
  })

  it("peers lists nodes, of one fabric or of all", async () => {
    const none = await heddleWith({ HEDDLE_DIR: folder }, "peers").ends(1)
    assert.match(none.errors, /^heddle peers: no fabric on this machine/)
    const one = await node("till")
    one.subscribe("a", () => {})
    using(await join("Chat Room", { name: "anna", discovery: [directory({ path: folder })] }))
    const all = linesOf(await heddleWith({ HEDDLE_DIR: folder }, "peers").ends(0))
    assert.ok(all.includes("shop: 1 node besides us") && all.includes("Chat Room: 1 node besides us"), all.join("\n"))
    const json = await shop("peers", "--json").ends(0)
    const { fabric, peers } = JSON.parse(json.text)
    assert.equal(fabric, "shop")
    assert.deepEqual(
      peers.map((peer: { name: string; node: string; state: string; interests: number }) => [
        peer.name,
        peer.node,
        peer.state,
        peer.interests,
      ]),
      [["till", one.id, "up", 1]],
    )
    const watch = shop("peers", "--watch")
    await watch.prints("till")
    const other = await node("\x1b[2Jevil")
    await watch.prints("\u{fffd}[2Jevil")
    await other.close()
    watch.signal("SIGINT")
    await watch.ends(0)
    assert.ok(!watch.text.includes("\x1b"))
  })

  it("top shows rates by node and by subject", async () => {
    const [a, b] = [await node("a"), await node("b")]
    let come = 0
    await b.subscribe("ticks.*", () => come++).ready
    const timer = setInterval(() => {
      for (let i = 0; i < 10; i++) a.publish("ticks.x", "tick")
    }, 5)
    later(() => clearInterval(timer))
    const json = await shop("top", "--json", "--interval", "200", "--count", "2").ends(0)
    const sheets = linesOf(json).map(line => JSON.parse(line))
    assert.equal(sheets.length, 2)
    for (const { nodes, subjects, silent } of sheets) {
      assert.deepEqual(silent, [])
      assert.deepEqual(
        nodes.map((one: { name: string }) => one.name),
        ["a", "b"],
      )
      assert.equal(subjects[0].subject, "ticks.x")
      assert.ok(subjects[0].published > 0 && subjects[0].received > 0)
      assert.ok(nodes[0].messagesSent > 0 && nodes[1].messagesReceived > 0)
      assert.equal(nodes[1].messagesSent, 0)
    }
    const table = await shop("top", "--interval", "100", "--count", "1").ends(0)
    assert.match(table.text, /^shop: 2 nodes, [\d,.]+ published\/s/)
    assert.match(table.text, /^a +\S+ +\d+ .* ms$/m)
    assert.match(table.text, /^ticks\.x +[\d,.]+ /m)
    assert.ok(come > 0)
  })

  it("trace tells who gets a subject and who publishes it, and follows its messages", async () => {
    const [a, b] = [await node("a"), await node("b")]
    await b.subscribe("orders.*", () => {}).ready
    await b.subscribe("orders.new", () => {}, { queue: "billing" }).ready
    await b.serve("orders.new", () => 1).ready
    a.publish("orders.new", 1)
    const text = await shop("trace", "orders.new").ends(0)
    assert.match(
      text.text,
      /^orders\.new: 1 subscription, 1 queue group \(1 member\), 1 server, 0 workers; published by 1 node\n/,
    )
    assert.match(text.text, new RegExp(`^a +${a.id} +\\d+ +[\\d.]+ ms +publishes +1$`, "m"))
    assert.match(text.text, /^b .* subscribes +orders\.new +billing +0 +1 +0 +0$/m)
    const follow = shop("trace", "orders.new", "--json", "--follow", "--count", "1")
    await a.ready({ subject: "orders.new", subscribers: 3 })
    a.publish("orders.new", { id: 2 }, { headers: { h: "1" } })
    await follow.ends(0)
    const [trace, message] = linesOf(follow).map(line => JSON.parse(line))
    assert.equal(trace.nodes.length, 2)
    assert.deepEqual(message, { subject: "orders.new", from: "a", headers: [["h", "1"]], data: { id: 2 } })
    const wild = await shop("trace", "orders.*").ends(1)
    assert.match(wild.errors, /^heddle trace: EINVAL/)
  })

  it("finds a fabric by a seed, and listens where it is told", async () => {
    const far = using(await join("shop", { name: "far", discovery: [], listen: "tcp://127.0.0.1:0" }))
    const sub = heddle(
      "sub",
      "--fabric",
      "shop",
      "--seed",
      far.endpoints[0],
      "--listen",
      "tcp://127.0.0.1:*",
      "x",
      "--count",
      "1",
    )
    await far.ready({ subject: "x", subscribers: 1 })
    const [, address] =
      /^heddle sub: listens on (tcp:\/\/127\.0\.0\.1:\d+)\n$/.exec(sub.errors) ?? assert.fail(sub.errors)
    const other = using(await join("shop", { name: "other", discovery: [seeds([address])], listen: [] }))
    await other.ready({ subject: "x", subscribers: 1 })
    other.publish("x", "found")
    await sub.ends(0)
    assert.equal(sub.text, "x\tfound\n")
  })

  it("mistakes of usage give 2 and say what is right", async () => {
    const cases: [string[], RegExp][] = [
      [["pub", "--fabric", "s", "--bind", "ipc://@x", "a", "b"], /^heddle pub: --bind is for sockets/],
      [["pub", "--fabric", "s", "--topic", "x", "a", "b"], /^heddle pub: --topic is for sockets/],
      [["pub", "--fabric", "s"], /^heddle pub: give a subject/],
      [["pub", "--seed", "tcp://a:1", "--bind", "ipc://@x", "a"], /^heddle pub: --seed goes with --fabric NAME/],
      [["sub", "--connect", "ipc://@x", "orders.>"], /^heddle sub: subjects go with --fabric NAME/],
      [["sub", "--connect", "ipc://@x", "--queue", "q"], /^heddle sub: --queue goes with --fabric NAME/],
      [["sub", "--fabric", "s"], /^heddle sub: give what to subscribe to/],
      [["sub", "--fabric", "s", "x", "--history", "0"], /Expected "last" or a number from 1/],
      [["req", "--connect", "ipc://@x", "--many", "a"], /^heddle req: --many goes with --fabric NAME/],
      [["req", "--fabric", "s", "--many", "--stream", "a", "b"], /--many and --stream exclude each other/],
      [["pub", "--fabric", "s", "a", "b", "--header", "x"], /Expected name=value/],
      [["serve", "--fabric", "s", "a"], /^heddle serve: give one of --reply TEXT, --echo and --exec CMD/],
      [["work", "--fabric", "s", "a", "--exec-timeout", "5"], /^heddle work: --exec-timeout goes with --exec CMD/],
      [["top"], /required option '--fabric <name>' not specified/],
    ]
    const running = cases.map(([args]) => heddleWith({ HEDDLE_DIR: folder }, ...args))
    for (const [i, [args, wanted]] of cases.entries()) {
      await running[i].ends(2)
      assert.match(running[i].errors, wanted, args.join(" "))
    }
    const reserved = await shop("pub", "$heddle.stats", "x").ends(1)
    assert.match(reserved.errors, /^heddle pub: EINVAL: .*reserved/)
  })
})
