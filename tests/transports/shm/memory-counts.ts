/** What shared memory leaves in a process, as the system sees it. */
import fs from "node:fs"
import type { Addon } from "../../../transports/native/addon.ts"
import { until } from "../../support/wait.ts"

/** Mappings of the rings' memory in a process. */
export function mappings(pid: number | "self" = "self"): number {
  return fs.readFileSync(`/proc/${pid}/maps`, "utf8").split("/memfd:heddle ").length - 1
}

/** The memory files that a process has mapped, by inode. */
export function memoryFiles(pid: number | string): Set<string> {
  const found = new Set<string>()
  for (const line of fs.readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    if (line.includes("/memfd:heddle ")) found.add(line.split(/\s+/)[4])
  }
  return found
}

/** Open descriptors of this process: all, and those of memory. */
export function descriptors(): { all: number; memory: number } {
  const names = fs.readdirSync("/proc/self/fd").map(name => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      // The one that reads the folder.
      return null
    }
  })
  const open = names.filter(name => name !== null)
  return { all: open.length, memory: open.filter(name => name.startsWith("/memfd:heddle")).length }
}

/** Compares what is open and mapped now with what was. */
export class Leaks {
  private readonly open = descriptors()
  private readonly mapped = mappings()

  get none(): boolean {
    const now = descriptors()
    return now.all <= this.open.all && now.memory <= this.open.memory && mappings() <= this.mapped
  }

  /** Resolves when everything that was opened since is closed. Sockets close in later turns of the loop. */
  gone(): Promise<void> {
    return until(() => this.none)
  }
}

/** How often an addon was asked for what. */
export interface Counts {
  created: number
  opened: number
  refused: number
  released: number
  closed: number
  bells: number
}

/** An addon that counts what is asked of it. */
export function countingNative(real: Addon): { native: Addon; counts: Counts } {
  const counts = { created: 0, opened: 0, refused: 0, released: 0, closed: 0, bells: 0 }
  const native: Addon = {
    ...real,
    createMemory: size => {
      counts.created++
      return real.createMemory(size)
    },
    openMemory: (pid, descriptor, size) => {
      try {
        const memory = real.openMemory(pid, descriptor, size)
        counts.opened++
        return memory
      } catch (error) {
        counts.refused++
        throw error
      }
    },
    releaseMemory: memory => {
      counts.released++
      real.releaseMemory(memory)
    },
    closeDescriptor: descriptor => {
      counts.closed++
      real.closeDescriptor(descriptor)
    },
    ring: descriptor => {
      counts.bells++
      return real.ring(descriptor)
    },
  }
  return { native, counts }
}
