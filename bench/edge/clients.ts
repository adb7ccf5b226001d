import { compile, isShared } from "../peers/compile.ts"
import type { Contestant } from "../peers/peer.ts"
import type { Command, Task } from "../task.ts"
import { toArguments } from "../task.ts"

/** The subject of all messages, and the one that a request asks. */
export const SUBJECT = "bench.all"
export const ECHO = "bench.echo"

let program: string | null = null

/** WebSocket clients in C (bench/c/web.c), the same for every server. Rejects where there is no compiler. */
export async function prepareClients(): Promise<void> {
  program ??= await compile("web", file => isShared(file) || file.startsWith("web"), [])
}

/** What one of these clients needs to say and to understand, by whom it talks to. */
export function clientCommand(who: Contestant, task: Task): Command {
  const heddle = who.peer.family === "heddle"
  const speech = {
    dialect: heddle ? "edge" : "plain",
    protocol: heddle ? "heddle.edge.1" : "",
    hello: heddle ? Buffer.concat([record(1, hello()), record(3, subscription())]).toString("hex") : "",
    request: (heddle
      ? record(7, request(Number(task.values.size)))
      : Buffer.alloc(Number(task.values.size ?? 0))
    ).toString("hex"),
  }
  return { file: program as string, args: toArguments({ role: task.role, values: { ...task.values, ...speech } }) }
}

// Records of the edge protocol (patterns/fabric/edge/PROTOCOL.md); all that is said here is short.

function record(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, body.length]), body])
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
}

/** HELLO: version, token, session, name. */
function hello(): Buffer {
  return Buffer.concat([Buffer.from([1]), text(""), text(""), text("bench")])
}

/** SUBSCRIBE number 1 without options. */
function subscription(): Buffer {
  return Buffer.concat([Buffer.from([1]), text(SUBJECT), Buffer.from([0])])
}

/** REQUEST number 1 of the kind "one", 5,000 ms, no credit, and its content: bytes. */
function request(size: number): Buffer {
  return Buffer.concat([
    Buffer.from([1, 0, 0x88, 0x27, 0, 0]),
    text(ECHO),
    Buffer.from([size]),
    Buffer.alloc(size, "x"),
  ])
}
