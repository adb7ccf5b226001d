import { Child } from "../process.ts"
import { type Command, type Task, toArguments } from "../task.ts"
import { compile, isShared } from "./compile.ts"
import { isService, type Peer } from "./peer.ts"

const streams = ["tcp-thr", "ipc-thr", "tcp-lat", "ipc-lat", "fanout"]

/** Plain sockets in C: what the kernel gives. The floor that nobody can be below. */
export class RawPeer implements Peer {
  readonly family = "raw"
  readonly module = null
  private program = ""

  ways(scenario: string): readonly string[] | string {
    if (isService(scenario)) return []
    return streams.includes(scenario) ? [""] : "plain sockets have nothing of the kind"
  }

  async prepare(): Promise<string> {
    this.program = await compile("raw", file => isShared(file) || file.startsWith("raw"), [])
    const child = new Child("raw hello", this.command({ role: "hello", values: {} }))
    const { version } = await child.result(10_000)
    await child.end()
    return String(version)
  }

  command(task: Task): Command {
    return { file: this.program, args: toArguments(task) }
  }

  async stop(): Promise<void> {}
}
