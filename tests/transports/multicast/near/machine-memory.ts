import assert from "node:assert/strict"
import type { Native } from "../../../../transports/native/addon.ts"

/** When the system does not give a process what it asks for. */
export interface Refusals {
  create?(): boolean
  open?(): boolean
}

function refused(code: string): Error {
  return Object.assign(new Error(`${code}: refused by the test`), { code })
}

/** Memory files of one simulated machine, which its processes open by their descriptors. */
export class MachineMemory {
  /** Memories that were ever made, and times that one was opened. */
  created = 0
  openings = 0
  private readonly files = new Map<number, ArrayBuffer>()
  private readonly mapped = new Map<ArrayBuffer, number>()
  private readonly real: Native | null
  private lastDescriptor = 2

  /** `real`: where memory is to come from; null = from this process's own. */
  constructor(real: Native | null = null) {
    this.real = real
  }

  /** Descriptors that are not closed. */
  get descriptors(): number {
    return this.files.size
  }

  /** Openings that were not released. */
  get held(): number {
    return [...this.mapped.values()].reduce((sum, count) => sum + count, 0)
  }

  /** What one process has of it. */
  native(refusals: Refusals): Native {
    const { files, mapped, real } = this
    return {
      version: 1,
      createMemory: size => {
        if (refusals.create?.()) throw refused("ENOMEM")
        const made = real?.createMemory(size) ?? { memory: new ArrayBuffer(size), descriptor: ++this.lastDescriptor }
        files.set(made.descriptor, made.memory)
        this.created++
        return made
      },
      openMemory: (pid, descriptor, size) => {
        const memory = files.get(descriptor)
        if (memory === undefined || pid !== process.pid) throw refused("ENOENT")
        if (refusals.open?.()) throw refused("EACCES")
        if (memory.byteLength !== size) throw refused("EINVAL")
        const opened = real?.openMemory(pid, descriptor, size) ?? memory
        mapped.set(opened, (mapped.get(opened) ?? 0) + 1)
        this.openings++
        return opened
      },
      releaseMemory: memory => {
        const count = mapped.get(memory) ?? 0
        assert.ok(count > 0, "memory is released twice")
        mapped.set(memory, count - 1)
        real?.releaseMemory(memory)
      },
      closeDescriptor: descriptor => {
        assert.ok(files.delete(descriptor), "a descriptor is closed twice")
        real?.closeDescriptor(descriptor)
      },
      peerCredentials: () => null,
      ring: () => false,
    }
  }
}
