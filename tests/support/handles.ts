import { type AsyncHook, createHook } from "node:async_hooks"
import { later } from "./cleanup.ts"

/** Sockets, servers, watchers and timers; also those that are unref'd, which `process.getActiveResourcesInfo` hides. */
const KINDS = ["UDPWRAP", "FSEVENTWRAP", "PIPESERVERWRAP", "PIPEWRAP", "TCPSERVERWRAP", "TCPWRAP", "Timeout"]

/** Handles that code opened while it was watched, and that are open still. */
export class Handles {
  private readonly open = new Map<number, string>()
  private readonly hook: AsyncHook
  private watching = true

  constructor() {
    this.hook = createHook({
      init: (id, kind) => {
        if (this.watching && KINDS.includes(kind)) this.open.set(id, kind)
      },
      destroy: id => void this.open.delete(id),
    }).enable()
    later(() => this.hook.disable())
  }

  /** What is opened from here on is somebody else's. */
  rest(): void {
    this.watching = false
  }

  get kinds(): string[] {
    return [...this.open.values()].sort()
  }
}
