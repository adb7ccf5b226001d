import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import { closesAfterEach } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { until } from "../support/wait.ts"
import { heddle, heddleWith, type Running } from "./heddle.ts"

type Json = Record<string, unknown>

describe("heddle bridge", () => {
  closesAfterEach()

  let folder = ""
  let file = ""

  beforeEach(() => {
    folder = temporaryFolder()
    file = path.join(folder, "bridge.json")
    write({})
  })

  function write(more: Json, subjects = "orders.>"): void {
    const config = {
      name: "box",
      fabric: { name: "shop" },
      spool: { dir: path.join(folder, "spool"), "max.bytes": "8MiB" },
      connectors: [{ name: "rec", config: { "connector.class": "FabricToKafka", subjects } }],
      ...more,
    }
    fs.writeFileSync(file, JSON.stringify(config))
  }

  /** In a folder of its own, so that nodes of other tests are not met. */
  function bridge(...args: string[]): Running {
    return heddleWith({ HEDDLE_DIR: folder }, "bridge", ...args)
  }

  async function running(): Promise<Running> {
    const one = bridge("--config", file)
    await one.prints("box runs as")
    return one
  }

  function shop(command: string, ...args: string[]): Running {
    return heddleWith({ HEDDLE_DIR: folder }, command, "--fabric", "shop", ...args)
  }

  it("records, tells, replays, and ends in order", async () => {
    const one = await running()
    await shop("pub", "--wait", "1", "orders.a", '{"id":1}', "two").ends(0)
    await until(() => fs.existsSync(path.join(folder, "spool", "rec")))
    const replayed = await bridge("replay", "box", "--fabric", "shop").ends(0)
    assert.deepEqual(
      replayed.text.split("\n").map(line => line.split("\t").slice(1)),
      [["orders.a", '{"id":1}'], ["orders.a", "two"], []],
    )
    const json = await bridge("replay", "box", "--fabric", "shop", "--json", "--from", "1h", "--count", "1").ends(0)
    const { subject, data } = JSON.parse(json.text) as Json
    assert.deepEqual([subject, data], ["orders.a", { id: 1 }])
    const status = await bridge("status", "box", "rec", "--fabric", "shop").ends(0)
    assert.match(status.text, /^box: bridge box \S+, up .*; no Kafka: the spool is the store\nCONNECTOR +CLASS +STATE/)
    assert.match(status.text, /\nrec +FabricToKafka +running/)
    one.signal("SIGTERM")
    await one.ends(0)
    assert.match(one.errors, /heddle bridge: ended after .*: rec: 2 in \(.*\), 2 done, 0 waiting\n$/)
    assert.equal(one.text, "")
  })

  it("pauses, resumes, stops and restarts a connector", async () => {
    await running()
    for (const [command, state] of [
      ["pause", "paused"],
      ["resume", "running"],
      ["stop", "stopped"],
      ["restart", "running"],
    ]) {
      const answer = await bridge(command, "box", "rec", "--fabric", "shop").ends(0)
      assert.match(answer.text, new RegExp(`^rec is ${state} at bridge box \\S+\n$`))
    }
    const json = await bridge("status", "box", "--fabric", "shop", "--json").ends(0)
    assert.equal((JSON.parse(json.text) as Json).bridge, "box")
  })

  it("says what is wrong in words", async () => {
    await running()
    const wrong = await bridge("pause", "box", "other", "--fabric", "shop").ends(1)
    assert.match(wrong.errors, /^heddle bridge pause: ENOENT: The bridge box has no connector "other"; it has rec\n$/)
    const sink = await bridge("offsets", "box", "rec", "--fabric", "shop").ends(1)
    assert.match(sink.errors, /rec is a sink/)
    await bridge("offsets", "box", "rec", "--fabric", "shop", "--set", "x").ends(2)
    const nobody = await bridge("status", "none", "--fabric", "shop", "--timeout", "300").ends(1)
    assert.match(nobody.errors, /no bridge none is in the fabric shop/)
  })

  it("reads its file again on SIGHUP, and stays as it was when the file is wrong", async () => {
    const one = await running()
    write({}, "orders.>,prices.>")
    one.child.kill("SIGHUP")
    await one.prints("read the file again: changed rec (subjects, routes)")
    await shop("pub", "--wait", "1", "prices.a", "7").ends(0)
    fs.writeFileSync(file, "{")
    one.child.kill("SIGHUP")
    await one.prints("is not used")
    const replayed = await bridge("replay", "box", "--fabric", "shop", "--subject", "prices.>").ends(0)
    assert.match(replayed.text, /\tprices\.a\t7\n$/)
    one.signal("SIGINT")
    await one.ends(0)
  })

  it("checks a file", async () => {
    const good = await bridge("--config", file, "--check").ends(0)
    assert.match(good.text, /^box: 1 connector, nothing is wrong\nno Kafka/)
    write({ nonsense: 1, connectors: [{ name: "a", config: { "connector.class": "FabricToKafka", subject: "a" } }] })
    const bad = await bridge("--config", file, "--check").ends(1)
    assert.match(bad.errors, /nonsense/)
    assert.match(bad.errors, /connectors\[0\]\.config\.subject/)
    const away = { kafka: { "bootstrap.servers": "127.0.0.1:1" } }
    write(away)
    const nobody = await bridge("--config", file, "--check").ends(1)
    assert.match(nobody.errors, /127\.0\.0\.1:1/)
    await bridge("--config", path.join(folder, "none.json")).ends(1)
  })

  it("lists its settings, and knows nothing of others", async () => {
    const keys = await heddle("bridge", "keys", "fsync").ends(0)
    assert.match(keys.text, /^spool\n {2}fsync \(string/)
    await heddle("bridge", "keys", "nonsense").ends(2)
    await heddle("bridge").ends(2)
    const help = await heddle("bridge", "--help").ends(0)
    assert.match(help.text, /--check/)
  })
})
