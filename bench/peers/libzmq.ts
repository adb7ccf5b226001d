import { Child } from "../process.ts"
import { type Command, type Task, toArguments } from "../task.ts"
import { compile, isShared } from "./compile.ts"
import { isService, type Peer } from "./peer.ts"

/** libzmq in C, with one I/O thread, compiled here against the system's headers. */
export class LibzmqPeer implements Peer {
  readonly family = "libzmq"
  readonly module = null
  private program = ""

  ways(scenario: string): readonly string[] | string {
    if (isService(scenario)) return []
    if (scenario === "startup") return "not a module of Node"
    return scenario.startsWith("inproc") ? ["two threads"] : [""]
  }

  async prepare(): Promise<string> {
    try {
      this.program = await compile("libzmq", file => isShared(file) || file.startsWith("libzmq"), ["zmq"])
    } catch (error) {
      const { message } = error as Error
      if (!/zmq/.test(message)) throw error
      throw new Error(`${message} (Debian: apt install libzmq3-dev)`, { cause: error })
    }
    const child = new Child("libzmq hello", this.command({ role: "hello", values: {} }))
    const { version } = await child.result(10_000)
    await child.end()
    return String(version)
  }

  command(task: Task): Command {
    return { file: this.program, args: toArguments(task) }
  }

  async stop(): Promise<void> {}
}
