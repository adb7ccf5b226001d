import type { Buffer } from "node:buffer"
import fs, { type FileHandle } from "node:fs/promises"

/** The operations of which a full or failing disk makes errors; tests give their own. */
export interface Disk {
  /** Makes a file that must not be there yet. */
  create(path: string): Promise<FileHandle>
  /** Writes all of it, however many calls that takes. */
  write(file: FileHandle, buffers: readonly Buffer[], position: number): Promise<void>
  /** The data, and the size of the file, are on the disk when it resolves. */
  sync(file: FileHandle): Promise<void>
}

export const SYSTEM_DISK: Disk = {
  create: path => fs.open(path, "wx+", 0o600),
  async write(file, buffers, position) {
    let rest: readonly Buffer[] = buffers
    let at = position
    while (rest.length > 0) {
      const { bytesWritten } = await file.writev(rest as Buffer[], at)
      at += bytesWritten
      rest = behind(rest, bytesWritten)
    }
  },
  sync: file => file.datasync(),
}

/** What is left after `count` bytes were written: a disk that gets full, or a signal, ends a write early. */
function behind(buffers: readonly Buffer[], count: number): Buffer[] {
  const rest: Buffer[] = []
  let skip = count
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length
    else {
      rest.push(skip > 0 ? buffer.subarray(skip) : buffer)
      skip = 0
    }
  }
  return rest
}

/** Disk or quota full: wait for room. Everything else is a failure. */
export function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === "ENOSPC" || code === "EDQUOT"
}

/** New and removed names in a folder are on the disk when it resolves. Windows cannot and need not. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return
  const handle = await fs.open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
