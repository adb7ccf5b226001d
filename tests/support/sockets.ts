import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { Context } from "../../core/context.ts"
import { IpcTransport } from "../../transports/ipc.ts"
import { TcpTransport } from "../../transports/tcp.ts"
import { later } from "./cleanup.ts"

/** For sockets of tests: the real transports, and no wait for a peer that is not there yet. */
export function testContext(): Context {
  return new Context([new TcpTransport(), new IpcTransport()])
}

/** Endpoints to bind to, one for each transport that carries ZMTP here; the real one is then in `lastEndpoint`. */
export const ENDPOINTS = ["tcp://127.0.0.1:0", "ipc://*"]

/** What tests give to every socket: they do not wait long for a lost peer. */
export const QUICK = { reconnectInterval: 5, reconnectMaxInterval: 20 }

/** An ipc endpoint in a folder of its own, which stays when the binder goes; removed after the test. */
export function lastingIpc(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-test-"))
  later(() => fs.rmSync(folder, { recursive: true, force: true }))
  return `ipc://${folder}/socket`
}
