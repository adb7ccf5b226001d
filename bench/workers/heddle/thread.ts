import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import type { Parent } from "../parent.ts"

/** The other side of a measurement in a thread of this process: it sends or answers, with the task of this process. */
export function startThread(role: "stream-send" | "reply", endpoint: string, parent: Parent): void {
  const file = fileURLToPath(new URL("./thread-main.js", import.meta.url))
  // Our own arguments are `program family role key=value ...`.
  const worker = new Worker(file, { argv: [role, ...process.argv.slice(4), `endpoint=${endpoint}`] })
  worker.on("error", error => parent.failed(error))
}
