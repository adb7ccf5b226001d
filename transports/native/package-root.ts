import fs from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"

/** The folder of the package.json named heddle above this file, which may be compiled, bundled, or a source; null = its files lie elsewhere. */
export function packageRoot(): string | null {
  let folder = path.dirname(fileURLToPath(import.meta.url))
  for (;;) {
    if (manifestOf(folder)?.name === "heddle") return folder
    const parent = path.dirname(folder)
    if (parent === folder) return null
    folder = parent
  }
}

/**
 * Of this package; "unknown" where its package.json is not above its files. Not by its name: Deno does not resolve the own name of a
 * package outside the project of the main module.
 */
export function packageVersion(): string {
  const root = packageRoot()
  const version = root === null ? undefined : manifestOf(root)?.version
  return typeof version === "string" ? version : "unknown"
}

function manifestOf(folder: string): { name?: unknown; version?: unknown } | null {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"))
  } catch {
    return null
  }
}
