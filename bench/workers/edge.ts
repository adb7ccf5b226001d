import { setTimeout as sleep } from "node:timers/promises"
import type { Arguments } from "../task.ts"
import { ControlListener } from "./control.ts"
import type { Parent, Roles } from "./parent.ts"
import { fanOut } from "./publishing.ts"

/** A server with WebSocket clients, by whatever library. */
export interface EdgeServer {
  readonly endpoint: string
  publish(payload: Buffer): void
}

/** `echo`: clients get back what they send; otherwise each gets what is published. */
export type OpenEdge = (echo: boolean) => Promise<EdgeServer>

/** What all servers of the scenarios `edge-...` do. */
export function edgeRoles(open: OpenEdge): Roles {
  return {
    async "edge-publish"(task: Arguments, parent: Parent) {
      const control = await ControlListener.listen(task.text("control"))
      const server = await open(false)
      parent.ready(server.endpoint)
      const payload = Buffer.alloc(task.number("size"), "x")
      // Clients say when they are all there.
      while (control.heard < 0) await control.word(1_000)
      parent.result(
        await fanOut(task, control, () => {
          server.publish(payload)
          return undefined
        }),
      )
      await parent.gone
    },

    async "edge-echo"(_task: Arguments, parent: Parent) {
      parent.ready((await open(true)).endpoint)
      await parent.gone
    },

    async "edge-idle"(_task: Arguments, parent: Parent) {
      const server = await open(false)
      parent.onLine(async () => {
        // What the connecting left behind goes first.
        for (let i = 0; i < 3; i++) {
          await sleep(100)
          globalThis.gc?.()
        }
        parent.result({ rss: process.memoryUsage.rss() })
      })
      parent.ready(server.endpoint)
      await parent.gone
    },
  }
}
