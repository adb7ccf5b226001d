import assert from "node:assert/strict"
import fs from "node:fs"
import { IpcTransport } from "../../transports/ipc.ts"
import { type ConformanceEndpoints, transportConformance } from "../conformance/transport.ts"
import { freeIpc } from "../support/addresses.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { Program } from "../support/processes.ts"
import { describeNative } from "./native/addon-fixtures.ts"

const IPC: ConformanceEndpoints = {
  any: () => "ipc://*",
  definite: freeIpc,
  refused: "ENOENT",
  bytes: true,
  invalid: [
    ["ipc://*", "dial", "EINVAL"],
    [`ipc:///tmp/${"x".repeat(108)}`, "listen", "ENAMETOOLONG"],
    [`ipc:///tmp/${"x".repeat(108)}`, "dial", "ENAMETOOLONG"],
    [`ipc:///tmp/${"ü".repeat(60)}`, "listen", "ENAMETOOLONG"],
  ],
}

transportConformance("ipc", () => new IpcTransport(() => null), IPC)
describeNative("with rings", () => transportConformance("ipc in shared memory", () => new IpcTransport(), IPC))

describe("ipc://*", () => {
  closesAfterEach()

  const INDEX = new URL("../../index.js", import.meta.url).href

  for (const [way, end] of [
    ["closes", "await socket.close()"],
    ["only ends", "process.exit()"],
  ])
    it(`leaves no folder behind when the process ${way}`, async () => {
      const folder = temporaryFolder()
      const program = Program.start(`
        import fs from "node:fs"
        process.env.TMPDIR = ${JSON.stringify(folder)}
        const { Pull } = await import("${INDEX}")
        const socket = new Pull()
        await socket.bind("ipc://*")
        process.stdout.write("there " + fs.readdirSync(process.env.TMPDIR).length)
        process.stdin.once("end", async () => { ${end} }).resume()
      `)
      await program.says(/there 1/)
      program.child.stdin?.end()
      await program.exited
      assert.deepEqual(fs.readdirSync(folder), [])
    })
})
