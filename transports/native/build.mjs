// Builds the optional addon into build/Release of the package: `npm run build:native`, or, in a project that uses the
// package, `node node_modules/heddle/transports/native/build.mjs`. Never downloads, and never fails an installation:
// where it cannot build it says why in one line and exits 0.
//   --strict    exit 1 then
//   --prebuild  for publishing: a stripped binary in prebuilds/, named for its platform
//   --force     also when there is one that is newer than the sources and works
//   --sanitize  with AddressSanitizer (asan.mjs runs the tests with it)
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import { createRequire } from "node:module"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.resolve(here, "../..")
const prefix = path.dirname(path.dirname(fs.realpathSync(process.execPath)))
const given = new Set(process.argv.slice(2))
const sources = fs.readdirSync(here).filter(name => /\.(cc|h|gypi)$/.test(name))
const target = path.join(root, targetName())

if (process.env.HEDDLE_NATIVE === "off") without("HEDDLE_NATIVE=off switches it off")
if (process.platform !== "linux") without(`there is none for ${process.platform} yet`)
if (!given.has("--force") && isUpToDate()) process.exit(0)
const nodedir = headers()
const gyp = nodeGyp()
needs("a C++ compiler", process.env.CXX ?? "c++")
needs("make", process.env.MAKE ?? "make")
needs("Python", process.env.npm_config_python ?? process.env.PYTHON ?? "python3")
build()
console.log(`heddle: built the native addon, ${path.relative(root, target)}`)

function without(reason) {
  console.log(`heddle: the native addon is not built, plain TypeScript does its work: ${reason}`)
  process.exit(given.has("--strict") ? 1 : 0)
}

function targetName() {
  if (given.has("--sanitize")) return "build/Sanitized/heddle_native.node"
  if (!given.has("--prebuild")) return "build/Release/heddle_native.node"
  // As native.ts tells them apart.
  const libc = fs.readFileSync("/proc/self/exe").subarray(0, 4096).includes("/ld-musl-") ? "musl" : "glibc"
  return `prebuilds/${process.platform}-${process.arch}/heddle_native.${libc}.node`
}

/** Newer than the sources, and of a kind that this Node loads (a folder may have come from another machine). */
function isUpToDate() {
  try {
    const built = fs.statSync(target).mtimeMs
    if (sources.some(name => fs.statSync(path.join(here, name)).mtimeMs > built)) return false
    // A sanitized one loads only where its runtime is loaded first.
    if (!given.has("--sanitize")) createRequire(import.meta.url)(target)
    return true
  } catch {
    return false
  }
}

/** The headers that belong to the running Node: where npm was told they are, or beside it. */
function headers() {
  const folders = [process.env.npm_config_nodedir, prefix].filter(Boolean)
  const found = folders.find(folder => fs.existsSync(path.join(folder, "include/node/node_api.h")))
  if (found !== undefined) return found
  return without(`no include/node/node_api.h in ${folders.join(" or ")}; set npm_config_nodedir to where Node's are`)
}

/** node-gyp of the project, of the npm that runs this script, or of the npm beside Node. */
function nodeGyp() {
  const npm = process.env.npm_execpath
  const places = [path.join(root, "package.json"), path.join(prefix, "lib/node_modules/npm/package.json")]
  if (npm !== undefined && fs.existsSync(npm)) places.splice(1, 0, fs.realpathSync(npm))
  for (const place of places) {
    try {
      return createRequire(place).resolve("node-gyp/bin/node-gyp.js")
    } catch {
      // The next place.
    }
  }
  return without("node-gyp was not found, which comes with npm; install npm or node-gyp")
}

function needs(name, command) {
  const { status } = spawnSync(command, ["--version"], { stdio: "ignore", shell: true })
  if (status !== 0) without(`${name} (${command}) was not found`)
}

/** In a folder of its own, so that nobody ever sees half a build, and the package gets no binding.gyp. */
function build() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-native-"))
  try {
    const copies = path.join(folder, "transports/native")
    fs.mkdirSync(copies, { recursive: true })
    for (const name of sources) fs.copyFileSync(path.join(here, name), path.join(copies, name))
    fs.writeFileSync(path.join(folder, "binding.gyp"), `{"includes": ["transports/native/native.gypi"]}\n`)
    const args = [gyp, "rebuild", `--nodedir=${nodedir}`, "--release", "--loglevel=error"]
    const env = { ...process.env }
    if (given.has("--sanitize")) {
      const flags = "-fsanitize=address,undefined -fno-omit-frame-pointer -O1 -g"
      Object.assign(env, { CXXFLAGS: flags, LDFLAGS: "-fsanitize=address,undefined" })
    }
    const run = spawnSync(process.execPath, args, { cwd: folder, env, encoding: "utf8" })
    const built = path.join(folder, "build/Release/heddle_native.node")
    if (run.status !== 0 || !fs.existsSync(built)) {
      throw new Error(`the compiler failed:\n${run.stdout}${run.stderr}`)
    }
    if (given.has("--prebuild")) spawnSync("strip", ["--strip-unneeded", built])
    fs.mkdirSync(path.dirname(target), { recursive: true })
    // Renamed into place: processes that have the old one mapped go on with it.
    const beside = `${target}.${process.pid}`
    fs.copyFileSync(built, beside)
    fs.renameSync(beside, target)
  } catch (error) {
    without(error instanceof Error ? error.message : String(error))
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}
