import { spawn } from "node:child_process"
import type { Command, Task } from "../task.ts"
import { isOwn } from "./heddle.ts"
import { askVersion, nodeCommand } from "./node.ts"
import type { Peer } from "./peer.ts"

/** Milliseconds that nats-server may take to say where it listens. */
const START_TIMEOUT = 10_000

/** NATS: nats-server on loopback between two processes with @nats-io/transport-node. */
export class NatsPeer implements Peer {
  readonly family = "nats"
  readonly module = "@nats-io/transport-node"
  private url = ""
  private pid = 0
  private kill: () => void = () => {}
  private ended: Promise<void> = Promise.resolve()

  ways(scenario: string): readonly string[] | string {
    if (/^(api|edge)-/.test(scenario) || isOwn(scenario)) return []
    if (scenario.startsWith("ipc") || scenario.startsWith("inproc")) return "NATS speaks TCP only"
    if (scenario === "subjects") return "matching is done by the server, not by the publisher"
    if (scenario === "memory") return "connections end at the server and speak another protocol"
    return [""]
  }

  async prepare(): Promise<string> {
    const client = await askVersion(this.family)
    const server = await this.start()
    return `server ${server}, client ${client}`
  }

  command(task: Task): Command {
    return nodeCommand(this.family, task, { url: this.url, server: this.pid })
  }

  async stop(): Promise<void> {
    this.kill()
    await this.ended
  }

  /** Resolves with the server's version once it listens, on a port of the kernel's choice. */
  private start(): Promise<string> {
    const server = spawn("nats-server", ["-a", "127.0.0.1", "-p", "-1"], { stdio: ["ignore", "ignore", "pipe"] })
    this.kill = () => server.kill("SIGKILL")
    process.on("exit", this.kill)
    this.ended = new Promise(resolve => {
      server.on("close", () => resolve())
    })
    return new Promise((resolve, reject) => {
      let said = ""
      const timer = setTimeout(() => {
        this.kill()
        reject(new Error(`nats-server did not listen within ${START_TIMEOUT / 1000} s: ${said.slice(-500)}`))
      }, START_TIMEOUT)
      server.on("error", (error: NodeJS.ErrnoException) => {
        clearTimeout(timer)
        const reason =
          error.code === "ENOENT" ? "nats-server is not in PATH (Debian: apt install nats-server)" : error.message
        reject(new Error(reason, { cause: error }))
      })
      server.on("close", code => {
        clearTimeout(timer)
        reject(new Error(`nats-server ended with code ${code}: ${said.slice(-500)}`))
      })
      server.stderr.on("data", (data: Buffer) => {
        if (said.length < 100_000) said += data.toString()
        const port = /Listening for client connections on 127\.0\.0\.1:(\d+)/.exec(said)
        if (!port || !/Server is ready/.test(said)) return
        clearTimeout(timer)
        this.url = `nats://127.0.0.1:${port[1]}`
        this.pid = server.pid ?? 0
        resolve(/Version:\s+(\S+)/.exec(said)?.[1] ?? "of unknown version")
      })
    })
  }
}
