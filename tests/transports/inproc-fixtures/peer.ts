/** A worker that does with one transport and one connection what the test tells it, and reports what it saw. */
import { parentPort, workerData } from "node:worker_threads"
import type { Connection, ConnectionSink, ControlName, Listener, Message } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import { type InprocOptions, InprocTransport } from "../../../transports/inproc/index.ts"
import { Accepting, dial, endpoint, generator, handshake, randomMessage, type Side, same } from "./ends.ts"

/** What can be told; plain data. */
export interface Command {
  do:
    | "listen"
    | "dial"
    | "await"
    | "echo"
    | "expect"
    | "random"
    | "flood"
    | "send"
    | "pause"
    | "resume"
    | "end"
    | "close"
    | "unlisten"
    | "block"
    | "exit"
    | "leave"
    | "report"
  name?: string
  side?: Side
  refuse?: boolean
  seed?: number
  count?: number
  size?: number
  reason?: string
  milliseconds?: number
}

export interface Report {
  messages: number
  bytes: number
  /** Index of the first message that was not as expected; -1 = all were. */
  wrong: number
  controls: string[]
  closings: number
  reason: string
  peer: { socketType: string; routingId: string; metadata: [string, string][]; address: string } | null
  failures: string[]
  sent: number
}

const port = parentPort as NonNullable<typeof parentPort>
const transport = new InprocTransport(workerData as InprocOptions)
const accepting = new Accepting()
let listener: Listener | undefined
let connection: Connection | undefined
let sink: Sink | undefined
let sent = 0

class Sink implements ConnectionSink {
  messages = 0
  bytes = 0
  wrong = -1
  controls: string[] = []
  closings = 0
  reason = ""
  echo = false
  expected: (() => Buffer[]) | null = null
  go: () => void = () => {}
  private readonly own: Connection

  constructor(own: Connection) {
    this.own = own
  }

  message(message: Message): void {
    if (this.expected !== null && !same(message, this.expected()) && this.wrong < 0) this.wrong = this.messages
    this.messages++
    for (const frame of message) this.bytes += frame.length
    if (this.echo) this.own.send(message)
  }

  controlReceived(name: ControlName, body: Buffer): void {
    this.controls.push(`${name} ${body.length} ${body.toString("latin1", 0, 20)}`)
    if (this.echo) this.own.control(name, body)
  }

  drain(): void {
    this.go()
  }

  closed(reason?: Error): void {
    this.closings++
    this.reason = reason === undefined ? "" : reason instanceof HeddleError ? reason.code : String(reason)
    port.postMessage("closed")
  }
}

function take(made: Connection): void {
  connection = made
  sink = new Sink(made)
  made.start(sink)
}

/** With `refuse` it admits nobody; with `milliseconds` it is busy for so long in the first handshake. */
function refusing({ side = {}, refuse, milliseconds = 0 }: Command): Side {
  let busy = milliseconds
  const admit = (): void => {
    if (busy > 0) block(busy)
    busy = 0
    if (refuse) throw new HeddleError("ERR_PEER_INCOMPATIBLE", "not with you")
  }
  return { ...side, admit }
}

function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

/** Sends `count` messages that depend on the seed, minding the answers of `send`. */
function random({ seed = 1, count = 0, size = 0 }: Command): void {
  const numbers = generator(seed)
  const own = connection as Connection
  const go = (): void => {
    while (sent < count) {
      sent++
      if (!own.send(randomMessage(numbers, size))) return
    }
  }
  ;(sink as Sink).go = go
  go()
}

/** Sends numbered messages for ever. */
function flood({ size = 64 }: Command): void {
  const own = connection as Connection
  const go = (): void => {
    for (let burst = 0; burst < 256; burst++) {
      const message = Buffer.alloc(size)
      message.writeUInt32LE(sent++)
      if (!own.send([message])) return
    }
    setImmediate(go)
  }
  ;(sink as Sink).go = go
  go()
}

async function obey(command: Command): Promise<unknown> {
  const { name = "n", count = 1, size = 0 } = command
  switch (command.do) {
    case "listen":
      listener = await transport.listen(endpoint(name), handshake(refusing(command)), accepting)
      return listener.endpoint
    case "dial":
      take(await dial(transport, name, refusing(command)))
      return
    case "await":
      take(await accepting.next())
      return
    case "echo":
      ;(sink as Sink).echo = true
      return
    case "expect": {
      const numbers = generator(command.seed as number)
      ;(sink as Sink).expected = () => randomMessage(numbers, size)
      return
    }
    case "random":
      random(command)
      return
    case "flood":
      flood(command)
      return
    case "send": {
      const answers: boolean[] = []
      for (let i = 0; i < count; i++) answers.push((connection as Connection).send([Buffer.alloc(size, i)]))
      return answers
    }
    case "pause":
    case "resume":
    case "end":
      ;(connection as Connection)[command.do]()
      return
    case "close":
      connection?.close(command.reason === undefined ? undefined : new Error(command.reason))
      return
    case "unlisten":
      await listener?.close()
      return
    case "block":
      port.postMessage("blocking")
      block(command.milliseconds as number)
      return
    case "exit":
      process.exit(3)
      return
    case "leave":
      port.unref()
      return
    case "report":
      return report()
  }
}

function report(): Report {
  const peer = connection?.peer
  return {
    messages: sink?.messages ?? 0,
    bytes: sink?.bytes ?? 0,
    wrong: sink?.wrong ?? -1,
    controls: sink?.controls ?? [],
    closings: sink?.closings ?? 0,
    reason: sink?.reason ?? "",
    peer: peer
      ? {
          socketType: peer.socketType,
          routingId: peer.routingId.toString(),
          metadata: [...peer.metadata].map(([key, value]) => [key, value.toString()]),
          address: peer.address,
        }
      : null,
    failures: accepting.failures.map(error => (error instanceof HeddleError ? error.code : String(error))),
    sent,
  }
}

port.on("message", async ({ id, command }: { id: number; command: Command }) => {
  try {
    port.postMessage({ id, value: await obey(command) })
  } catch (error) {
    port.postMessage({ id, error: error instanceof HeddleError ? error.code : String(error) })
  }
})
