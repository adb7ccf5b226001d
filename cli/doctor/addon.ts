import fs from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { capability } from "heddle"
import { check, messageOf } from "./check.ts"
import { type Finding, ok, warn } from "./finding.ts"

export interface AddonFacts {
  loaded: boolean
  platform: string
  arch: string
  /** HEDDLE_NATIVE=off. */
  switchedOff: boolean
  /** Files that could be it, each with why it does not load; null = it does. */
  files: readonly { readonly file: string; readonly failure: string | null }[]
  /** The program that builds it. */
  builder: string
}

export const addon = check<AddonFacts>({ name: "addon", about: "the native addon", read, judge: judgeAddon })

function read(): AddonFacts {
  const root = path.dirname(fileURLToPath(import.meta.resolve("heddle/package.json")))
  const require = createRequire(import.meta.url)
  const files = binaries(root).map(file => ({ file, failure: failureOf(() => require(file)) }))
  const { platform, arch } = process
  const switchedOff = process.env.HEDDLE_NATIVE === "off"
  const builder = path.join(root, "transports/native/build.mjs")
  return { loaded: capability.native, platform, arch, switchedOff, files, builder }
}

/** Where builds and packages put it. */
function binaries(root: string): string[] {
  const folders = [path.join(root, "build/Release"), path.join(root, `prebuilds/${process.platform}-${process.arch}`)]
  return folders.flatMap(folder => {
    if (!fs.existsSync(folder)) return []
    return fs
      .readdirSync(folder)
      .filter(name => name.endsWith(".node"))
      .map(name => path.join(folder, name))
  })
}

function failureOf(load: () => unknown): string | null {
  try {
    load()
    return null
  } catch (error) {
    return messageOf(error).split("\n")[0]
  }
}

export function judgeAddon(facts: AddonFacts): Finding[] {
  const name = "addon"
  const without =
    "Everything works without it: ipc:// without shared memory, udp:// and multicast:// at a fraction of the rate."
  if (facts.loaded) return [ok(name, "loaded")]
  if (facts.switchedOff) return [warn(name, "HEDDLE_NATIVE=off switches it off", without, "$ unset HEDDLE_NATIVE")]
  if (facts.platform !== "linux") return [warn(name, `there is none for ${facts.platform}`, without)]
  const build = `$ node ${facts.builder}`
  if (facts.files.length === 0) {
    return [
      warn(
        name,
        `no binary for ${facts.platform}-${facts.arch}`,
        without,
        "It takes a C++ compiler to build it:",
        build,
      ),
    ]
  }
  const broken = facts.files.find(({ failure }) => failure !== null)
  if (broken === undefined)
    return [warn(name, "its binary is of another version of Heddle", without, "Build it again:", build)]
  return [warn(name, `does not load: ${broken.failure}`, without, "Build it for this machine:", build)]
}
