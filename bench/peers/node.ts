import { fileURLToPath } from "node:url"
import { Child } from "../process.ts"
import { type Command, type Task, toArguments } from "../task.ts"

const program = fileURLToPath(new URL("../workers/main.js", import.meta.url))

/** A worker in a Node process of its own: bench/workers/FAMILY/roles.ts. */
export function nodeCommand(family: string, task: Task, values: Record<string, string | number> = {}): Command {
  const flags = task.role === "idle" || task.role === "edge-idle" ? ["--expose-gc"] : []
  const args = toArguments({ role: task.role, values: { ...task.values, ...values } })
  return { file: process.execPath, args: [...flags, program, family, ...args] }
}

/** Asks a fresh process for the version, so that a peer that cannot be loaded does no harm here. */
export async function askVersion(family: string): Promise<string> {
  const child = new Child(`${family} hello`, nodeCommand(family, { role: "hello", values: {} }))
  try {
    return String((await child.result(20_000)).version)
  } finally {
    await child.end()
  }
}
