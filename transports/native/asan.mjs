// Runs the addon's own tests with AddressSanitizer and UndefinedBehaviorSanitizer: `npm run test:native:asan`, after
// `npm run build` (tests in dist/, or in the folder that is the first argument).
import { spawnSync } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.resolve(here, "../..")
const compiled = path.resolve(root, process.argv[2] ?? "dist")
const sanitized = path.join(root, "build/Sanitized/heddle_native.node")

function run(command, args, options = {}) {
  const { status } = spawnSync(command, args, { stdio: "inherit", ...options })
  if (status !== 0) process.exitCode = status ?? 1
  return status === 0
}

function library(name) {
  const compiler = process.env.CXX ?? "c++"
  return spawnSync(compiler, [`-print-file-name=${name}`], { encoding: "utf8" }).stdout.trim()
}

if (!run(process.execPath, [path.join(here, "build.mjs"), "--sanitize", "--strict"])) process.exit()
// The loader looks for the addon below the package's folder: this one has the sanitized one in the usual place.
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-asan-"))
try {
  fs.mkdirSync(path.join(folder, "build/Release"), { recursive: true })
  fs.copyFileSync(sanitized, path.join(folder, "build/Release/heddle_native.node"))
  fs.copyFileSync(path.join(root, "package.json"), path.join(folder, "package.json"))
  fs.cpSync(compiled, path.join(folder, "dist"), { recursive: true })
  fs.symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"))
  const mocha = path.join(root, "node_modules/mocha/bin/mocha.js")
  // That one is about other binaries.
  const loading = "dist/tests/transports/native/loading.test.js"
  const preload = [library("libasan.so"), library("libubsan.so")].join(" ")
  run(
    process.execPath,
    [mocha, "--no-config", "--timeout", "60000", "--ignore", loading, "dist/tests/transports/native/*.test.js"],
    {
      cwd: folder,
      env: {
        ...process.env,
        LD_PRELOAD: preload,
        // V8 keeps memory until the end; what is lost there is not the addon's.
        ASAN_OPTIONS: "detect_leaks=0:halt_on_error=1:abort_on_error=1",
        UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
      },
    },
  )
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
