/** Other runtimes than the one that runs the tests. */
import { execFileSync } from "node:child_process"
import path from "node:path"

export interface Runtime {
  /** Such as "Bun 1.4.5". */
  readonly name: string
  readonly file: string
  /** What goes before a program's file. */
  readonly args: readonly string[]
}

/**
 * `bun` and `deno` of the PATH, and the programs that HEDDLE_RUNTIMES names, separated as in PATH: any version of Node, Bun or Deno. What
 * does not say its version is none.
 */
export function otherRuntimes(): Runtime[] {
  const named = (process.env.HEDDLE_RUNTIMES ?? "").split(path.delimiter).filter(file => file !== "")
  const found = new Map<string, Runtime>()
  for (const file of ["bun", "deno", ...named]) {
    const runtime = runtimeOf(file)
    if (runtime !== null) found.set(runtime.name, runtime)
  }
  return [...found.values()]
}

function runtimeOf(file: string): Runtime | null {
  try {
    const said = execFileSync(file, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).split(
      "\n",
    )[0]
    const version = /\d+\.\d+\.\d+/.exec(said)?.[0]
    if (version === undefined) return null
    if (said.startsWith("deno")) return { name: `Deno ${version}`, file, args: ["run", "-A"] }
    return { name: `${said.startsWith("v") ? "Node" : "Bun"} ${version}`, file, args: [] }
  } catch {
    return null
  }
}
