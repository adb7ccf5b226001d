import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, "package.json"))) {
    const above = dirname(folder)
    if (above === folder) throw new Error("bench: no package.json above the program")
    folder = above
  }
  return folder
}

/** The checkout: where the C sources, node_modules and the git history are. */
export const root = findRoot()

/** Compiled programs stay here between runs. */
export const cache = join(root, "node_modules", ".cache", "heddle-bench")

let folder: string | null = null
let used = 0

/** A path for a Unix socket that nobody has used; the folder goes when the process ends. */
export function freshPath(): string {
  if (folder === null) {
    const made = mkdtempSync(join(tmpdir(), "heddle-bench-"))
    process.on("exit", () => rmSync(made, { recursive: true, force: true }))
    folder = made
  }
  return join(folder, `${++used}.sock`)
}

/** Where a receiver listens: any free port on loopback, or a fresh path. */
export function freshEndpoint(transport: "tcp" | "ipc"): string {
  return transport === "tcp" ? "tcp://127.0.0.1:0" : `ipc://${freshPath()}`
}
