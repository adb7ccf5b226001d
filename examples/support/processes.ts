/** What examples of several processes need besides Heddle. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"

/**
 * Nodes of one user find one another in a folder. Two runs of an example must not meet: this process, and those that it
 * starts from now on, get a folder of their own, which is removed at the end.
 */
export function ownFolder(): void {
  // A short name: paths of Unix sockets are bounded.
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-"))
  process.env.HEDDLE_DIR = folder
  process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }))
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))
}

/** Runs a module in a process of its own. It is killed when this one ends, if it still runs; its failure is ours. */
export function start(module: string | URL, ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [fileURLToPath(module), ...args], { stdio: ["pipe", "pipe", "inherit"] })
  const kill = (): void => void child.kill("SIGKILL")
  process.once("exit", kill)
  child.once("exit", code => {
    process.off("exit", kill)
    // Null: killed by a signal, as we want it.
    if (code !== null && code !== 0) process.exit(code)
  })
  return child
}

/** Resolves with the code it ended with, when everything it printed was read; null = it was killed. */
export async function ended(child: ChildProcess): Promise<number | null> {
  const [code] = await once(child, "close")
  return code as number | null
}

/** Shows on our standard output what it prints. */
export function show(child: ChildProcess): ChildProcess {
  child.stdout?.pipe(process.stdout, { end: false })
  return child
}
