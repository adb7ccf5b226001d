import assert from "node:assert/strict"
import fs from "node:fs"
import { IpcTransport } from "../../transports/ipc.ts"
import { type ConformanceEndpoints, transportConformance } from "../conformance/transport.ts"
import { freeIpc } from "../support/addresses.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { local } from "../support/link-options.ts"
import { Program } from "../support/processes.ts"
import { Door } from "../support/sinks.ts"
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

describe("ipc on other systems", () => {
  closesAfterEach()

  const endpoint = (address: string) => ({ scheme: "ipc", address, href: `ipc://${address}` })
  const check = (platform: NodeJS.Platform, address: string) => () =>
    new IpcTransport(() => null, platform).check(endpoint(address), "listen")

  it("is refused on Windows, by what to use instead", () => {
    for (const address of ["*", "C:/heddle", "/tmp/heddle", "@heddle"])
      assert.throws(check("win32", address), { code: "ENOTSUP", message: /Windows.*tcp:\/\/127\.0\.0\.1/ })
  })

  it("leaves no folder behind where it is refused", async () => {
    const temporary = process.env.TMPDIR
    const folder = temporaryFolder()
    process.env.TMPDIR = folder
    try {
      const listening = new IpcTransport(() => null, "win32").listen(endpoint("*"), local("PAIR"), new Door())
      await assert.rejects(listening, { code: "ENOTSUP" })
    } finally {
      if (temporary === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = temporary
    }
    assert.deepEqual(fs.readdirSync(folder), [])
  })

  it("has names without a path on Linux only", () => {
    check("linux", "@heddle")()
    assert.throws(check("darwin", "@heddle"), { code: "ENOTSUP", message: /only Linux/ })
  })

  it("takes paths as long as the system does", () => {
    for (const [platform, most] of [
      ["linux", 107],
      ["darwin", 103],
    ] as const) {
      check(platform, `/${"x".repeat(most - 1)}`)()
      assert.throws(check(platform, `/${"x".repeat(most)}`), { code: "ENAMETOOLONG" })
    }
  })
})
