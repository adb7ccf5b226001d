import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { closesAfterEach, later } from "../../support/cleanup.ts"

const COMPILED = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..")
const ROOT = path.dirname(COMPILED)
const BINARY = path.join(ROOT, "build/Release/heddle_native.node")
const BUILD = path.join(ROOT, "transports/native/build.mjs")

interface Said {
  loaded: boolean
  reason: string
  path: string | null
  native: boolean
}

describe("The native addon's loader", () => {
  closesAfterEach()

  /** A package with the compiled loader in it, and whatever else a test puts there. */
  function somePackage(name = "heddle"): string {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-loader-"))
    later(() => fs.rmSync(folder, { recursive: true, force: true }))
    fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ name, type: "module" }))
    fs.mkdirSync(path.join(folder, "dist/transports"), { recursive: true })
    fs.cpSync(path.join(COMPILED, "transports/native"), path.join(folder, "dist/transports/native"), {
      recursive: true,
    })
    return folder
  }

  function put(folder: string, name: string, bytes: string | Buffer): void {
    const file = path.join(folder, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, bytes)
  }

  function load(folder: string, env: NodeJS.ProcessEnv = {}): Said {
    const module = JSON.stringify(path.join(folder, "dist/transports/native/native.js"))
    const program = `
      const { loadNative, nativeStatus } = await import(${module})
      const native = loadNative() !== null && loadNative() === loadNative()
      console.log(JSON.stringify({ ...nativeStatus(), native }))`
    const environment = { ...process.env, ...env }
    if (env.HEDDLE_NATIVE === undefined) delete environment.HEDDLE_NATIVE
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      env: environment,
      encoding: "utf8",
    })
    assert.equal(run.status, 0, run.stderr)
    return JSON.parse(run.stdout) as Said
  }

  it("says that it is switched off", () => {
    const said = load(somePackage(), { HEDDLE_NATIVE: "off" })
    assert.deepEqual(said, { loaded: false, native: false, path: null, reason: "HEDDLE_NATIVE=off switches it off" })
  })

  it("says that the files lie outside of the package", () => {
    const said = load(somePackage("another"))
    assert.equal(said.loaded, false)
    assert.match(said.reason, /folder of the package heddle was not found|there is none for/)
  })

  it("says that there is no binary, and how to build one", () => {
    const said = load(somePackage())
    assert.equal(said.loaded, false)
    assert.equal(said.native, false)
    assert.equal(said.path, null)
    assert.match(said.reason, /build it with: node .*transports\/native\/build\.mjs$|there is none for/)
  })

  it("says why a binary does not load", function () {
    if (process.platform !== "linux") this.skip()
    const folder = somePackage()
    put(folder, "build/Release/heddle_native.node", "not a program")
    const said = load(folder)
    assert.equal(said.loaded, false)
    assert.equal(said.path, path.join(folder, "build/Release/heddle_native.node"))
    assert.match(said.reason, /invalid ELF header|file too short|Exec format/)
  })

  it("takes the shipped binary where the one that was built does not load", function () {
    if (!fs.existsSync(BINARY)) this.skip()
    const folder = somePackage()
    put(folder, "build/Release/heddle_native.node", "not a program")
    for (const libc of ["glibc", "musl"]) {
      put(folder, `prebuilds/linux-${process.arch}/heddle_native.${libc}.node`, fs.readFileSync(BINARY))
    }
    const said = load(folder)
    assert.equal(said.reason, "")
    assert.equal(said.native, true)
    assert.match(said.path ?? "", /prebuilds/)
  })

  it("does not take a binary of another version", function () {
    if (!fs.existsSync(BINARY)) this.skip()
    const folder = somePackage()
    put(folder, "build/Release/heddle_native.node", fs.readFileSync(BINARY))
    const declared = path.join(folder, "dist/transports/native/addon.js")
    const text = fs.readFileSync(declared, "utf8")
    fs.writeFileSync(declared, text.replace(/ADDON_VERSION = \d+/, "ADDON_VERSION = 999"))
    const said = load(folder)
    assert.equal(said.native, false)
    assert.match(said.reason, /it is of version \d+, not 999/)
  })
})

describe("The native addon's build", () => {
  function build(args: string[], env: NodeJS.ProcessEnv): { status: number | null; lines: string[] } {
    const run = spawnSync(process.execPath, [BUILD, "--force", ...args], {
      env: { ...process.env, HEDDLE_NATIVE: "", ...env },
      encoding: "utf8",
    })
    return { status: run.status, lines: `${run.stdout}${run.stderr}`.trim().split("\n") }
  }

  it("says in one line why it does not build, and does not fail", function () {
    if (process.platform !== "linux") this.skip()
    for (const [env, why] of [
      [{ CXX: "/nonexistent/c++" }, /C\+\+ compiler \(\/nonexistent\/c\+\+\) was not found|node_api\.h|node-gyp/],
      [{ HEDDLE_NATIVE: "off" }, /HEDDLE_NATIVE=off/],
    ] as const) {
      const { status, lines } = build([], env)
      assert.equal(status, 0)
      assert.equal(lines.length, 1)
      assert.match(lines[0], why)
      assert.equal(build(["--strict"], env).status, 1)
    }
  })
})
