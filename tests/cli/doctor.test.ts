import assert from "node:assert/strict"
import fs from "node:fs"
import net from "node:net"
import path from "node:path"
import { closesAfterEach } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { haveHosts } from "../support/hosts.ts"
import { heddle, heddleWith, Running } from "./heddle.ts"

interface Answer {
  heddle: string
  level: string
  findings: { check: string; name: string; level: string; value: string; advice?: string[] }[]
}

/** What it found, after the exit code was checked against it. */
async function doctor(env: Record<string, string>, ...args: string[]): Promise<Answer> {
  return answerOf(heddleWith(env, "doctor", "--json", ...args))
}

async function answerOf(running: Running): Promise<Answer> {
  const code = await running.ended
  assert.equal(running.text.trimEnd().split("\n").length, 1, running.errors)
  const answer = JSON.parse(running.text) as Answer
  assert.equal(code, answer.level === "fail" ? 1 : 0)
  return answer
}

/** A socket whose process is gone. */
async function staleSocket(file: string): Promise<void> {
  const server = net.createServer()
  await new Promise<void>(resolve => server.listen(`${file}.live`, () => resolve()))
  fs.renameSync(`${file}.live`, file)
  await new Promise(resolve => server.close(resolve))
}

describe("heddle doctor", () => {
  closesAfterEach()

  it("looks at everything, and leaves nothing behind", async () => {
    const folder = temporaryFolder()
    const { findings, level } = await doctor({ HEDDLE_DIR: folder })
    const checks = new Set(findings.map(({ check }) => check))
    const names = "versions addon machine limits memory folder loopback buffers multicast packages"
    assert.deepEqual([...checks], names.split(" "))
    for (const one of findings) {
      assert.ok(one.name !== "" && one.value !== "", JSON.stringify(one))
      if (one.level !== "ok") assert.ok((one.advice ?? []).length > 0, `no advice: ${JSON.stringify(one)}`)
    }
    for (const transport of ["tcp", "ipc"]) {
      assert.match(findings.find(({ name }) => name === transport)?.value ?? "", /^\d+ us a round trip/)
    }
    assert.equal(
      level === "fail",
      findings.some(one => one.level === "fail"),
    )
    assert.deepEqual(fs.readdirSync(folder), [])
  })

  it("prints a table without colours, and nothing besides, where it is no terminal", async () => {
    const running = await heddle("doctor", "--only", "versions,limits").ends(0)
    assert.match(running.text, /^ +CHECK +WHAT +FOUND\nok +versions +heddle +\d/)
    assert.match(running.text, /\n(All \d+ are well|\d+ well, .*)\.\n$/)
    assert.ok(!running.text.includes("\x1b"))
    assert.equal(running.errors, "")
  })

  it("a folder that others may write to fails, and it says what to do", async () => {
    const folder = temporaryFolder()
    fs.chmodSync(folder, 0o777)
    const running = heddleWith({ HEDDLE_DIR: folder }, "doctor", "--only", "folder")
    await running.ends(1)
    assert.match(running.text, /^fail +folder +discovery folder +.*chmod 700/m)
    assert.match(running.text, /\$ export HEDDLE_DIR=/)
    assert.match(running.errors, /^heddle doctor: fails: discovery folder\n$/)
  })

  it("a folder whose path is too long for sockets fails", async () => {
    const { findings, level } = await doctor(
      { HEDDLE_DIR: path.join(temporaryFolder(), "x".repeat(100)) },
      "--only",
      "folder",
    )
    assert.equal(level, "fail")
    assert.match(findings[0].value, /a Unix socket takes at most/)
  })

  it("sockets of processes that are gone are named, those of living ones are not", async () => {
    const folder = temporaryFolder()
    const shop = path.join(folder, "shop")
    fs.mkdirSync(shop, { mode: 0o700 })
    await staleSocket(path.join(shop, "gone.sock"))
    const living = net.createServer().listen(path.join(shop, "here.sock"))
    try {
      const { findings, level } = await doctor({ HEDDLE_DIR: folder }, "--only", "folder")
      assert.equal(level, "warn")
      const found = findings.find(({ name }) => name === "left behind")
      assert.match(found?.value ?? "", /^1 socket /)
      assert.deepEqual(found?.advice?.at(-1), `$ rm -f ${path.join(shop, "gone.sock")}`)
    } finally {
      await new Promise(resolve => living.close(resolve))
    }
  })

  it("says that the addon is switched off", async () => {
    const { findings } = await doctor({ HEDDLE_NATIVE: "off" }, "--only", "addon")
    assert.equal(findings[0].level, "warn")
    assert.match(findings[0].value, /HEDDLE_NATIVE=off/)
  })

  it("without any network it fails, and says how to bring one up", async function () {
    if (!haveHosts()) this.skip()
    const script = heddle("--version").child.spawnargs[1]
    const args = ["-n", process.execPath, script, "doctor", "--only", "multicast,loopback", "--json"]
    const { findings, level } = await answerOf(new Running("unshare", args))
    assert.equal(level, "fail")
    const failed = findings.filter(one => one.level === "fail").map(({ name }) => name)
    assert.deepEqual(failed, ["tcp", "interfaces"])
    assert.deepEqual(findings.find(({ name }) => name === "ipc")?.level, "ok")
  })

  it("a check that does not exist is a mistake of usage", async () => {
    const running = await heddle("doctor", "--only", "limits,luck").ends(2)
    assert.match(running.errors, /^heddle doctor: there is no check "luck"; there are versions, addon/)
  })
})
