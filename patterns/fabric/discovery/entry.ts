import fs, { constants } from "node:fs"
import net from "node:net"
import path from "node:path"
import { setImmediate as turn } from "node:timers/promises"
import { isNodeId, readAnnouncement } from "./announcement.ts"
import type { Announcement } from "./discovery.ts"

/** Bytes. Sixteen endpoints of 300 characters fit. */
const MAX_SIZE = 16 * 1024
/** One read at a time: nothing waits between its begin and its end. */
const room = Buffer.alloc(MAX_SIZE + 1)

/**
 * The files of a node in the folder of its fabric. The socket is there before the announcement, and goes before it: an
 * announcement without a socket is that of a node which is gone.
 */
export const SUFFIXES = { socket: ".sock", announcement: ".json", unfinished: ".tmp" } as const

export interface Entry extends Announcement {
  /** A hint only: containers that share the folder count processes for themselves. */
  readonly pid: number
  /** When it was written: milliseconds by the clock of the file system, which all who share the folder read alike. */
  readonly written: number
}

/** The node that a file belongs to, null for any other file. Node ids are never used again, so the name is the identity. */
export function nodeOf(file: string): string | null {
  const { name, ext } = path.parse(file)
  return (Object.values(SUFFIXES) as string[]).includes(ext) && isNodeId(name) ? name : null
}

/** Reads an announcement; "gone" when it is not there, an Error that says what is wrong with it. */
export async function readEntry(folder: string, node: string, fabric: string): Promise<Entry | "gone" | Error> {
  let text: string
  let written: number
  try {
    ;({ text, written } = await readBounded(path.join(folder, node + SUFFIXES.announcement)))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "gone" : (error as Error)
  }
  const found = readAnnouncement(text)
  if (typeof found === "string") return new Error(found)
  if (found.node !== node) return new Error(`it announces another node, ${found.node}`)
  if (found.fabric !== fabric) return new Error("it announces a node of another fabric")
  const { pid } = JSON.parse(text) as { pid?: unknown }
  const here = found.endpoints.map(one => endpointHere(folder, node, one))
  const process = typeof pid === "number" && Number.isInteger(pid) && pid > 0 ? pid : 0
  return { ...found, endpoints: here, pid: process, written }
}

/** The fabric that a node has announced; null when that cannot be read. */
export async function readFabric(folder: string, node: string): Promise<string | null> {
  try {
    const found = readAnnouncement((await readBounded(path.join(folder, node + SUFFIXES.announcement))).text)
    return typeof found === "string" ? null : found.fabric
  } catch {
    return null
  }
}

/** Containers may see the shared folder under another path than the node that wrote its own. */
function endpointHere(folder: string, node: string, endpoint: string): string {
  const file = node + SUFFIXES.socket
  return endpoint.startsWith("ipc://") && endpoint.endsWith(`/${file}`) ? `ipc://${path.join(folder, file)}` : endpoint
}

/**
 * Read at once: a small file of a local folder takes less time than to ask a thread for it, which a newcomer of a large mesh
 * would do some hundred times. Others have their turn between two files.
 */
async function readBounded(file: string): Promise<{ text: string; written: number }> {
  await turn()
  // Not to be led elsewhere by a link, nor to wait for a writer of a pipe.
  const handle = fs.openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const found = fs.fstatSync(handle)
    if (!found.isFile()) throw new Error("it is no ordinary file")
    let length = 0
    while (length < room.length) {
      const read = fs.readSync(handle, room, length, room.length - length, length)
      if (read === 0) break
      length += read
    }
    if (length > MAX_SIZE) throw new Error(`it has more than ${MAX_SIZE} bytes`)
    return { text: room.toString("utf8", 0, length), written: found.mtimeMs }
  } finally {
    fs.closeSync(handle)
  }
}

/** Readers see the whole of it or nothing. Returns when it was written, as `readEntry` will say it. */
export async function writeEntry(folder: string, entry: Omit<Entry, "written">): Promise<number> {
  const unfinished = path.join(folder, entry.node + SUFFIXES.unfinished)
  const { fabric, node, name, endpoints, pid } = entry
  await fs.promises.writeFile(unfinished, `${JSON.stringify({ fabric, node, name, endpoints, pid })}\n`, {
    mode: 0o600,
  })
  // Before the name is known to others, one of whom may remove it.
  const { mtimeMs } = await fs.promises.stat(unfinished)
  await fs.promises.rename(unfinished, path.join(folder, node + SUFFIXES.announcement))
  return mtimeMs
}

/** The socket first: see SUFFIXES. */
export async function removeEntry(folder: string, node: string): Promise<void> {
  for (const suffix of [SUFFIXES.socket, SUFFIXES.unfinished, SUFFIXES.announcement]) {
    await fs.promises.rm(path.join(folder, node + suffix), { force: true })
  }
}

/**
 * Whether anybody listens at the node's socket. "stale": there is a socket that refuses, its process is gone, for the
 * system closes all that a process listens at; "none": no socket. A process that is busy or halted still listens.
 */
export function probe(folder: string, node: string): Promise<"listens" | "stale" | "none"> {
  return new Promise(resolve => {
    const connection = net.connect({ path: path.join(folder, node + SUFFIXES.socket) })
    connection.once("connect", () => {
      connection.destroy()
      resolve("listens")
    })
    connection.once("error", ({ code }: NodeJS.ErrnoException) => {
      // Whatever else it may be (a full backlog, no descriptors left) proves nothing.
      resolve(code === "ECONNREFUSED" ? "stale" : code === "ENOENT" ? "none" : "listens")
    })
  })
}

/** Whether a process of that number is there, as far as we can see. */
export function processSeen(pid: number): boolean {
  if (pid === 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Somebody else's process may have the number.
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
