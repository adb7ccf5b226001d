import crypto from "node:crypto"
import { promises as fs, type Stats } from "node:fs"
import os from "node:os"
import path from "node:path"
import { fromSystem, HeddleError } from "../../../core/errors.ts"

/** `sun_path` has 108 bytes on Linux and 104 on macOS, one for the final zero. */
const MAX_SOCKET_PATH = process.platform === "darwin" ? 103 : 107
/** A slash, a node id, ".sock". */
const SOCKET_NAME = 1 + 22 + 5
/** Names up to this length stand for themselves. The same on every machine, whatever the length of the path above. */
const MAX_PLAIN = 24
/** Lower case only: some file systems do not tell a from A. */
const PLAIN = /^[a-z0-9][a-z0-9_-]*$/

/** Write access of the group and of everybody. */
const WRITABLE_BY_OTHERS = 0o022
const WORLD_WRITABLE = 0o002
/** Where it is set, as on /tmp, nobody removes or renames what belongs to others. */
const STICKY = 0o1000

/**
 * Where the folders of all fabrics of this user are: the first of these that is set. On macOS the temporary folder of a user has a name so long
 * that little is left for a fabric's.
 */
export function baseFolder(given: string | undefined, platform: NodeJS.Platform = process.platform): string {
  const { HEDDLE_DIR, XDG_RUNTIME_DIR } = process.env
  if (given !== undefined) return path.resolve(given)
  if (HEDDLE_DIR) return path.resolve(HEDDLE_DIR)
  if (XDG_RUNTIME_DIR) return path.join(path.resolve(XDG_RUNTIME_DIR), "heddle")
  return path.join(platform === "darwin" ? "/tmp" : os.tmpdir(), `heddle-${process.getuid?.() ?? "user"}`)
}

/** The name of the fabric where a file system takes it, otherwise a hash with what can be read of it in front. */
export function folderName(fabric: string): string {
  if (fabric.length <= MAX_PLAIN && PLAIN.test(fabric)) return fabric
  const readable = fabric
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "")
    .slice(0, 7)
  // "~" is in no plain name: a fabric cannot be called like the hash of another.
  return `${readable}~${crypto.createHash("sha256").update(fabric).digest("hex").slice(0, 16)}`
}

/**
 * Creates the folder of a fabric, for this user alone. Throws EACCES when somebody else could put something into it,
 * ENAMETOOLONG when the path of a socket in it would be too long, ENOTSUP on Windows.
 */
export async function makeFolder(given: string | undefined, fabric: string): Promise<string> {
  if (process.getuid === undefined) {
    throw new HeddleError(
      "ENOTSUP",
      "Operation not supported: this system has no users and Unix sockets as the directory discovery needs them; use multicast or seeds",
    )
  }
  const base = baseFolder(given)
  const folder = path.join(base, folderName(fabric))
  const length = Buffer.byteLength(folder) + SOCKET_NAME
  if (length > MAX_SOCKET_PATH) {
    throw new HeddleError(
      "ENAMETOOLONG",
      `Sockets in ${folder} would have paths of ${length} bytes; a Unix socket takes at most ${MAX_SOCKET_PATH}: set HEDDLE_DIR, or the option path, to a shorter one`,
      { address: folder },
    )
  }
  try {
    await fs.mkdir(path.dirname(base), { recursive: true, mode: 0o700 })
    for (const one of [base, folder]) {
      await fs.mkdir(one, { mode: 0o700 }).catch(existing)
      refuseUnsafe(one, await fs.lstat(one), process.getuid())
    }
    const above = await fs.stat(path.dirname(base))
    if ((above.mode & WORLD_WRITABLE) !== 0 && (above.mode & STICKY) === 0) {
      throw unsafe(base, `everybody may rename it: ${path.dirname(base)} is writable by all and not sticky`)
    }
  } catch (error) {
    throw fromSystem(error, "The folder in which nodes find one another,", folder)
  }
  return folder
}

function existing(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error
}

/** Whoever can write there could take the place of a node, or read what is meant for it. */
function refuseUnsafe(folder: string, found: Stats, user: number): void {
  if (found.isSymbolicLink()) throw unsafe(folder, "it is a symbolic link")
  if (!found.isDirectory()) throw unsafe(folder, "it is no folder")
  if (found.uid !== user) throw unsafe(folder, `it belongs to user ${found.uid}, this process is user ${user}`)
  if ((found.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw unsafe(folder, `others may write to it (mode ${(found.mode & 0o777).toString(8)}): chmod 700`)
  }
}

function unsafe(folder: string, why: string): HeddleError {
  return new HeddleError(
    "EACCES",
    `${folder} is not safe to find other nodes in: ${why}; repair it, or set HEDDLE_DIR (or the option path) to a folder of your own`,
    { address: folder },
  )
}
