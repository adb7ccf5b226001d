/**
 * The file `lock`: one process at a time has a folder open. It names the process; when that is dead, the next one takes over. It is made by
 * `link`, which is atomic and brings the content with it, so nobody ever sees half a lock.
 */
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { HeddleError } from "../../core/errors.ts"

interface Holder {
  readonly pid: number
  readonly host: string
  /** Of the process, in the kernel's ticks: process ids are used again. "" where the system does not tell. */
  readonly started: string
  /** Of the machine's run: after a restart all its processes are dead. */
  readonly boot: string
}

/** Folders that this process holds: a container's process often has the id that the one before it had. */
const held = new Set<string>()

export class FolderLock {
  private readonly file: string

  private constructor(file: string) {
    this.file = file
  }

  /** Throws ERR_SPOOL when a live process holds the folder, or one on another host, of which nothing can be known. */
  static take(folder: string): FolderLock {
    const file = path.join(fs.realpathSync(folder), "lock")
    if (held.has(file)) throw taken(folder, `this process (${process.pid}) has it open already`)
    const own = `${file}.${process.pid}.tmp`
    fs.writeFileSync(own, JSON.stringify(self()), { mode: 0o600 })
    try {
      if (!link(own, file)) takeOver(own, file, folder)
    } finally {
      fs.rmSync(own, { force: true })
    }
    held.add(file)
    return new FolderLock(file)
  }

  release(): void {
    held.delete(this.file)
    fs.rmSync(this.file, { force: true })
  }
}

/**
 * Two processes may find the same dead holder. A second name for the dead lock says who removes it; it is looked at again under that
 * name, for it may have been replaced since it was read.
 */
function takeOver(own: string, file: string, folder: string): void {
  const found = read(file)
  const holder = parse(found)
  if (holder !== null && isAlive(holder))
    throw taken(folder, `process ${holder.pid} on ${holder.host} has it open; stop it, or delete ${file} if it is gone`)
  const dead = `${file}.dead-${holder?.pid ?? 0}-${holder?.started ?? ""}`
  if (!link(file, dead)) throw taken(folder, `another process is taking it over; try again, or delete ${dead}`)
  try {
    if (read(dead) !== found) throw taken(folder, "another process has just taken it over")
    fs.rmSync(file)
    if (!link(own, file)) throw taken(folder, "another process has just taken it over")
  } finally {
    fs.rmSync(dead, { force: true })
  }
}

function link(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw new HeddleError("ERR_SPOOL", `Cannot lock ${to}: ${(error as Error).message}; a spool needs a local disk`, {
      cause: error,
    })
  }
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

function parse(text: string): Holder | null {
  try {
    const holder = JSON.parse(text) as Partial<Holder>
    const { pid, host = "", started = "", boot = "" } = holder
    return typeof pid === "number" ? { pid, host, started, boot } : null
  } catch {
    return null
  }
}

function self(): Holder {
  return { pid: process.pid, host: os.hostname(), started: startOf(process.pid), boot: bootId() }
}

function isAlive(holder: Holder): boolean {
  const me = self()
  if (holder.host !== me.host) return true
  if (holder.boot !== me.boot) return false
  // Ours, but not in `held`: of a process before us with our id.
  if (holder.pid === me.pid) return false
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
  return holder.started === startOf(holder.pid)
}

/**
 * Field 22 of /proc/<pid>/stat (proc(5)), counted behind the name, which may have spaces and brackets in it. "dead" for a process that was
 * killed and that its parent has not asked after.
 */
function startOf(pid: number): string {
  const text = read(`/proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return fields[0] === "Z" || fields[0] === "X" ? "dead" : (fields[19] ?? "")
}

function bootId(): string {
  return read("/proc/sys/kernel/random/boot_id").trim()
}

function taken(folder: string, why: string): HeddleError {
  return new HeddleError("ERR_SPOOL", `The spool folder ${folder} is in use: ${why}`)
}
