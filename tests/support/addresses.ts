import { once } from "node:events"
import fs from "node:fs"
import net from "node:net"
import os from "node:os"
import path from "node:path"

/** A port of this machine that was free a moment ago. */
export async function freeTcp(): Promise<string> {
  const server = net.createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, "close")
  return `tcp://127.0.0.1:${port}`
}

let folder: string | null = null
let files = 0

/** A path within a folder that goes with the process. */
export function freeIpc(): string {
  if (folder === null) {
    const made = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-test-"))
    process.once("exit", () => fs.rmSync(made, { recursive: true, force: true }))
    folder = made
  }
  return `ipc://${path.join(folder, `${files++}`)}`
}
