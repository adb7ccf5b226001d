import { type Command, Option } from "commander"
import {
  Dealer,
  Proxy as MessageProxy,
  Publisher,
  Pull,
  Push,
  Router,
  type Socket,
  XPublisher,
  XSubscriber,
} from "heddle"
import { attach } from "../attach.ts"
import { UsageError } from "../exit.ts"
import { type SharedOptions, withShared } from "../options.ts"
import { type Run, run } from "../run.ts"
import { bytes, whole } from "../units.ts"
import { collect, wholeFrom } from "../values.ts"

type ProxyType = "streamer" | "forwarder" | "queue"

interface ProxyFlags extends SharedOptions {
  type: ProxyType
  front?: readonly string[]
  frontConnect?: readonly string[]
  back?: readonly string[]
  backConnect?: readonly string[]
  capture?: readonly string[]
  captureConnect?: readonly string[]
  hwm?: number
  linger?: number
}

export function addProxy(program: Command): void {
  const command = program
    .command("proxy")
    .description("Stand between two sides, so that neither needs to know the other's addresses.")
    .addOption(
      new Option("--type <name>", "what it forwards, see below")
        .choices(["streamer", "forwarder", "queue"] satisfies ProxyType[])
        .makeOptionMandatory(),
    )
    .option("--front <addr>", "listen there for the front side (repeatable)", collect)
    .option("--back <addr>", "listen there for the back side (repeatable)", collect)
    .option("--front-connect <addr>", "connect the front side to it (repeatable)", collect)
    .option("--back-connect <addr>", "connect the back side to it (repeatable)", collect)
    .option("--capture <addr>", "publish a copy of every message there, for heddle sub", collect)
    .option("--capture-connect <addr>", "the same, connecting", collect)
    .option("--hwm <n>", "messages queued per peer, 0 = no limit (default: 1000)", wholeFrom(0))
    .option("--linger <ms>", "go on sending what is queued so long at the end (default: 10000)", wholeFrom(-1))
  withShared(command)
    .addHelpText(
      "after",
      `
Types:
  streamer   front PULL, back PUSH: pushers -> workers
  forwarder  front XSUB, back XPUB: publishers -> subscribers
  queue      front ROUTER, back DEALER: clients <-> servers

Examples:
  heddle proxy --type forwarder --front tcp://*:5555 --back tcp://*:5556
  heddle proxy --type queue --front tcp://*:5560 --back ipc:///tmp/servers --capture ipc:///tmp/spy`,
    )
    .action((flags: ProxyFlags) => run({ name: "proxy", options: flags }, job => forward(flags, job)))
}

async function forward(flags: ProxyFlags, run: Run): Promise<boolean> {
  const sides = {
    front: addressesOf(flags.front, flags.frontConnect),
    back: addressesOf(flags.back, flags.backConnect),
  }
  for (const [side, { bind, connect }] of Object.entries(sides)) {
    if (bind.length + connect.length === 0) throw new UsageError(`give --${side} ADDR or --${side}-connect ADDR`)
  }
  const { front, back } = makeSockets(flags)
  await attach(front, sides.front, run)
  await attach(back, sides.back, run)
  const copies = addressesOf(flags.capture, flags.captureConnect)
  const capture =
    copies.bind.length + copies.connect.length === 0 ? null : new Publisher({ sendHighWaterMark: flags.hwm })
  if (capture !== null) await attach(capture, copies, run)
  const proxy = new MessageProxy(front, back, capture)
  showStatistics(proxy, [front, back], run)
  const running = proxy.run()
  if (run.ending.begun) proxy.terminate()
  else run.ending.signal.addEventListener("abort", () => proxy.terminate())
  await running
  await capture?.close()
  return true
}

function addressesOf(bind: readonly string[] = [], connect: readonly string[] = []) {
  return { bind, connect }
}

function makeSockets({ type, hwm, linger }: ProxyFlags) {
  const receiving = { receiveHighWaterMark: hwm, linger }
  const sending = { sendHighWaterMark: hwm, linger }
  const both = { ...receiving, ...sending }
  if (type === "streamer") return { front: new Pull(receiving), back: new Push(sending) }
  if (type === "forwarder") return { front: new XSubscriber(both), back: new XPublisher(both) }
  return { front: new Router(both), back: new Dealer(both) }
}

function showStatistics(proxy: MessageProxy, sockets: readonly Socket[], { progress }: Run): void {
  progress.peers = () => sockets.flatMap(socket => socket.stats().peers).filter(peer => peer.connected).length
  progress.dropped = () => {
    const { captureDropped, undeliverable } = proxy.statistics()
    return captureDropped + undeliverable
  }
  progress.refresh = () => {
    const { front, back } = proxy.statistics()
    progress.messages = front.messagesIn + back.messagesIn
    progress.bytes = front.bytesIn + back.bytesIn
    progress.note = `front ${flow(front.messagesIn, front.bytesIn)}, back ${flow(back.messagesIn, back.bytesIn)}`
  }
}

function flow(messages: number, size: number): string {
  return `${whole(messages)} in (${bytes(size)})`
}
