import { promises as fs } from "node:fs"
import path from "node:path"
import { fromSystem } from "../../../core/errors.ts"
import type { DirectoryOptions } from "./directory.ts"
import { nodeOf, readFabric } from "./entry.ts"
import { baseFolder, folderName } from "./folder.ts"

/** Folders that are looked into: nobody reads a longer list, and the folder may be full of other things. */
const MOST = 1_000

/**
 * Names of the fabrics in which nodes have announced themselves in the folder of `directory`, sorted. The nodes may have been killed since:
 * `join` finds out. Rejects as the system refuses to read the folder (EACCES); one that is not there holds none.
 */
export async function fabrics({ path: given }: Pick<DirectoryOptions, "path"> = {}): Promise<string[]> {
  const base = baseFolder(given)
  const found: string[] = []
  for (const folder of (await listed(base)).slice(0, MOST)) {
    const name = await fabricIn(path.join(base, folder))
    if (name !== null && folderName(name) === folder) found.push(name)
  }
  return found.sort()
}

async function fabricIn(folder: string): Promise<string | null> {
  const nodes = new Set((await listed(folder)).map(nodeOf))
  for (const node of nodes) {
    const fabric = node === null ? null : await readFabric(folder, node)
    if (fabric !== null) return fabric
  }
  return null
}

async function listed(folder: string): Promise<string[]> {
  try {
    return await fs.readdir(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "ENOENT" || code === "ENOTDIR") return []
    throw fromSystem(error, "The folder in which nodes find one another,", folder)
  }
}
