import type { Native, PeerCredentials } from "../../../../transports/native/addon.ts"

/** A memory file: those that have it, and whether its descriptor is open. */
interface Shared {
  readonly memory: ArrayBuffer
  holders: number
}

/** What the processes of one machine have open, by process and descriptor. */
export class FakeMachine {
  readonly files = new Map<string, Shared>()
}

/**
 * Memory as the addon shares it, for processes that are all this one. An ArrayBuffer cannot have two owners here: all who
 * opened a memory have the same one, so that a release takes it from its views only when nobody else has it.
 */
export class FakeNative implements Native {
  readonly version = 1
  readonly pid: number
  /** Memories of others that are open, and how often one was asked for. */
  open = 0
  asked = 0
  private readonly machine: FakeMachine
  private readonly held = new Map<ArrayBufferLike, { shared: Shared; own: boolean; times: number }>()
  private descriptors = 100

  constructor(machine = new FakeMachine(), pid = process.pid) {
    this.machine = machine
    this.pid = pid
  }

  createMemory(size: number): { memory: ArrayBuffer; descriptor: number } {
    const shared = { memory: new ArrayBuffer(size), holders: 1 }
    const descriptor = this.descriptors++
    this.machine.files.set(`${this.pid} ${descriptor}`, shared)
    this.held.set(shared.memory, { shared, own: true, times: 1 })
    return { memory: shared.memory, descriptor }
  }

  openMemory(pid: number, descriptor: number, size: number): ArrayBuffer {
    this.asked++
    const shared = this.machine.files.get(`${pid} ${descriptor}`)
    if (shared === undefined) throw failure("ENOENT")
    if (shared.memory.byteLength !== size) throw failure("EINVAL")
    const held = this.held.get(shared.memory)
    if (held === undefined) this.held.set(shared.memory, { shared, own: false, times: 1 })
    else held.times++
    shared.holders++
    this.open++
    return shared.memory
  }

  releaseMemory(memory: ArrayBuffer): void {
    const held = this.held.get(memory)
    if (held === undefined) throw failure("EINVAL")
    if (held.times === 0) return
    held.times--
    if (!held.own || held.times > 0) this.open--
    if (--held.shared.holders === 0) structuredClone(memory, { transfer: [memory] })
  }

  closeDescriptor(descriptor: number): void {
    if (!this.machine.files.delete(`${this.pid} ${descriptor}`)) throw failure("EBADF")
  }

  peerCredentials(): PeerCredentials | null {
    return null
  }

  ring(): boolean {
    return false
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}
