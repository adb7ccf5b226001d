/** Finds and loads the optional addon. Everything works without it. */
import fs from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { ADDON_VERSION, type Addon } from "./addon.ts"
import { packageRoot } from "./package-root.ts"

export interface NativeStatus {
  readonly loaded: boolean
  /** Why it is not loaded, in words for users; empty when it is. */
  readonly reason: string
  /** The file that is loaded, or the last that was tried; null when there is none. */
  readonly path: string | null
}

let native: Addon | null = null
let status: NativeStatus | undefined

/** The addon, or null where there is none. Looked for once; never throws. `HEDDLE_NATIVE=off` switches it off. */
export function loadNative(): Addon | null {
  status ??= load()
  return native
}

/** Whether the addon is loaded, and why not. */
export function nativeStatus(): NativeStatus {
  status ??= load()
  return status
}

function load(): NativeStatus {
  if (process.env.HEDDLE_NATIVE === "off") return missing("HEDDLE_NATIVE=off switches it off")
  if (process.platform !== "linux") return missing(`there is none for ${process.platform} yet`)
  const root = packageRoot()
  if (root === null) return missing("the folder of the package heddle was not found, its files lie elsewhere")
  const advice = `build it with: node ${path.join(root, "transports/native/build.mjs")}`
  const files = candidates(root).filter(file => fs.existsSync(file))
  if (files.length === 0) {
    return missing(`there is no binary for ${process.platform}-${process.arch} (${libc()}); ${advice}`)
  }
  let last = missing("")
  for (const file of files) {
    try {
      const found = createRequire(import.meta.url)(file) as Addon
      if (found.version === ADDON_VERSION) {
        native = found
        return { loaded: true, reason: "", path: file }
      }
      last = missing(`it is of version ${found.version}, not ${ADDON_VERSION}; ${advice}`, file)
    } catch (error) {
      last = missing(`${error instanceof Error ? error.message : String(error)}; ${advice}`, file)
    }
  }
  return last
}

function missing(reason: string, file: string | null = null): NativeStatus {
  return { loaded: false, reason, path: file }
}

/** What was built here comes first: it is newer than what was shipped. */
function candidates(root: string): string[] {
  return [
    path.join(root, "build/Release/heddle_native.node"),
    path.join(root, `prebuilds/${process.platform}-${process.arch}/heddle_native.${libc()}.node`),
  ]
}

/**
 * The C library of the running Node, which the head of its program file names. Cheaper than `process.report`, which
 * collects the state of the whole process.
 */
function libc(): "glibc" | "musl" {
  const head = Buffer.alloc(4096)
  try {
    const file = fs.openSync("/proc/self/exe", "r")
    try {
      fs.readSync(file, head, 0, head.length, 0)
    } finally {
      fs.closeSync(file)
    }
  } catch {
    return "glibc"
  }
  return head.includes("/ld-musl-") ? "musl" : "glibc"
}
