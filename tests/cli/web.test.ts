import assert from "node:assert/strict"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { directory, join } from "../../index.ts"
import { closesAfterEach, later, using } from "../support/cleanup.ts"
import { until } from "../support/wait.ts"
import { heddleWith, type Running } from "./heddle.ts"
import { at, buildPage, Events } from "./web.ts"

describe("heddle top --web: the command", () => {
  closesAfterEach()
  before(buildPage)

  let folder = ""
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-test-"))
    later(() => fs.rmSync(folder, { recursive: true, force: true }))
  })

  const top = (...args: string[]): Running => heddleWith({ HEDDLE_DIR: folder }, "top", "--fabric", "shop", ...args)

  it("prints the address of the page, shows the fabric there, and ends with Ctrl-C", async () => {
    using(await join("shop", { name: "till", discovery: [directory({ path: folder })] }))
    const running = top("--web", "--interval", "100")
    await until(() => running.text.endsWith("\n"))
    const url = running.text.trim()
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{24}$/)
    assert.equal((await fetch(url)).status, 200)
    const events = await Events.open(at(url, "/events"))
    const sheet = await events.next<{ nodes: { name: string }[] }>("sheet", one => one.nodes.length > 0)
    assert.equal(sheet.nodes[0].name, "till")
    running.signal("SIGINT")
    await running.ends(0)
    await events.ended().catch(() => {})
    assert.equal(running.errors, "")
  })

  it("listens elsewhere only when it is told an address", async () => {
    const running = top("--web", "[::1]:0")
    let over = false
    void running.ended.then(() => {
      over = true
    })
    await until(() => over || running.text.endsWith("\n"))
    // Machines without IPv6 have no such address, and say so.
    if (running.text === "") assert.match(running.errors, /::1 is no address of this machine/)
    else assert.match(running.text, /^http:\/\/\[::1\]:\d+\/\?token=/)
  })

  it("mistakes are said before it joins, a taken port when it listens", async () => {
    const cases: [string[], RegExp][] = [
      [["--web", "x"], /^heddle top: --web x: expected a port such as 8080/],
      [["--web", "70000"], /^heddle top: --web 70000: expected a port/],
      [["--web", "--json"], /^heddle top: --json and --web exclude each other/],
      [["--web", "--count", "2"], /^heddle top: --count and --web exclude each other/],
    ]
    const running = cases.map(([args]) => top(...args))
    for (const [i, [args, wanted]] of cases.entries()) {
      await running[i].ends(2)
      assert.match(running[i].errors, wanted, args.join(" "))
    }
    const first = top("--web")
    await until(() => first.text.endsWith("\n"))
    const second = await top("--web", new URL(first.text.trim()).port).ends(1)
    assert.match(second.errors, /^heddle top: port \d+ of 127\.0\.0\.1 is taken/)
  })
})
