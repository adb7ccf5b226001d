import assert from "node:assert/strict"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { Program } from "../../support/processes.ts"
import { openSpool } from "./records.ts"

const SPOOL = new URL("../../../bridge-kafka/spool/spool.js", import.meta.url)

function holder(folder: string): Program {
  return Program.start(`
    import { Spool } from "${SPOOL}"
    const spool = await Spool.open({ folder: ${JSON.stringify(folder)} })
    console.log("open")
    process.stdin.on("data", async () => { await spool.close(); process.exit() })
  `)
}

describe("the lock of a spool folder", () => {
  closesAfterEach()

  it("keeps a second spool of the same process out, by whatever name of the folder", async () => {
    const folder = temporaryFolder()
    const spool = await openSpool(folder)
    await assert.rejects(openSpool(folder), { code: "ERR_SPOOL", message: /has it open already/ })
    const other = path.join(temporaryFolder(), "link")
    fs.symlinkSync(folder, other)
    await assert.rejects(openSpool(other), { code: "ERR_SPOOL" })
    await spool.close()
    await openSpool(other)
  })

  it("keeps another process out while its holder lives, and lets it in after it was killed", async () => {
    const folder = temporaryFolder()
    const program = holder(folder)
    await program.says(/open/)
    await assert.rejects(openSpool(folder), { code: "ERR_SPOOL", message: new RegExp(`process ${program.child.pid} `) })
    await program.kill()
    await openSpool(folder)
    assert.deepEqual(
      fs.readdirSync(folder).filter(name => name.startsWith("lock")),
      ["lock"],
    )
  })

  it("is gone after a close", async () => {
    const folder = temporaryFolder()
    const program = holder(folder)
    await program.says(/open/)
    program.tell("end")
    await program.exited
    assert.ok(!fs.existsSync(path.join(folder, "lock")))
    await openSpool(folder)
  })

  it("is taken over when its process id belongs to another process now, or it cannot be read", async () => {
    const host = os.hostname()
    const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
    for (const text of [
      JSON.stringify({ pid: process.pid, host, started: "1", boot }),
      JSON.stringify({ pid: 1, host, started: "no-such-start", boot }),
      JSON.stringify({ pid: 1, host, started: "", boot: "another run of the machine" }),
      "",
      "{",
    ]) {
      const folder = temporaryFolder()
      fs.writeFileSync(path.join(folder, "lock"), text)
      await openSpool(folder)
    }
  })

  it("of another host is not taken over, because nobody can know", async () => {
    const folder = temporaryFolder()
    const text = JSON.stringify({ pid: 1, host: "far-away", started: "", boot: "" })
    fs.writeFileSync(path.join(folder, "lock"), text)
    await assert.rejects(openSpool(folder), { code: "ERR_SPOOL", message: /far-away/ })
    assert.equal(fs.readFileSync(path.join(folder, "lock"), "utf8"), text)
  })

  it("lets one of many in that find a dead holder at the same time", async () => {
    const folder = temporaryFolder()
    fs.writeFileSync(path.join(folder, "lock"), "")
    const programs = Array.from({ length: 4 }, () =>
      Program.start(`
        import { Spool } from "${SPOOL}"
        console.log("ready")
        process.stdin.on("data", async () => {
          try { await Spool.open({ folder: ${JSON.stringify(folder)} }); console.log("got it") }
          catch (error) { console.log("refused " + error.code) }
        })
      `),
    )
    for (const program of programs) await program.says(/ready/)
    for (const program of programs) program.tell("go")
    for (const program of programs) await program.says(/got it|refused ERR_SPOOL/)
    assert.equal(programs.filter(program => program.output.includes("got it")).length, 1)
  })
})
