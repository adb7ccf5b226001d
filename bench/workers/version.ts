import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The version of an installed package, whether or not its package.json is among its exports. It may be there under another's name. */
export function versionOf(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.resolve(name)))
  for (;;) {
    const file = join(folder, "package.json")
    if (existsSync(file)) {
      const about = JSON.parse(readFileSync(file, "utf8"))
      if (about.name === name || folder.endsWith(join("node_modules", name))) return about.version
    }
    const above = dirname(folder)
    if (above === folder) throw new Error(`no package.json of ${name}`)
    folder = above
  }
}
