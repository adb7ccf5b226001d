import { readFileSync } from "node:fs"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import type { Arguments } from "../../task.ts"
import { ControlListener, ControlSender } from "../control.ts"
import { FanMeter, receiveFan } from "../fan-meter.ts"
import { timeTrips } from "../meters.ts"
import type { Parent, Roles } from "../parent.ts"
import { awaitSubscribers, fanOut, ownProcessorTime } from "../publishing.ts"
import { versionOf } from "../version.ts"

const SUBJECT = "bench"

function dial(task: Arguments): Promise<NatsConnection> {
  return connect({ servers: task.text("url") })
}

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  parent.result({ version: versionOf("@nats-io/transport-node") })
}

/** Ticks of the kernel's accounting a second (USER_HZ), fixed on Linux. */
const TICKS = 100

/** The fan-out is the server's work: its processor time (Linux, to a hundredth of a second) and ours, in microseconds. */
function processorTime(server: number): number {
  const stat = readFileSync(`/proc/${server}/stat`, "latin1")
  // User and system time are fields 14 and 15; the name in field 2 may hold anything but ends with the last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return ownProcessorTime() + ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS
}

/**
 * Core NATS has no flow control: a subscriber that is too far behind is cut off. So a stream is a fan-out to one
 * subscriber, with a window of messages in flight.
 */
async function send(task: Arguments, parent: Parent): Promise<void> {
  const connection = await dial(task)
  const control = await ControlListener.listen(task.text("control"))
  parent.ready(null)
  const payload = Buffer.alloc(task.number("size"), "x")
  const greeting = Buffer.from("~")
  const publish = (message: Buffer) => connection.publish(SUBJECT, message) as undefined
  await awaitSubscribers(control, () => publish(greeting))
  const cpu = () => processorTime(task.number("server"))
  parent.result(await fanOut(task, control, () => publish(payload), cpu))
  await parent.gone
}

function subscribe(connection: NatsConnection, parent: Parent, heard: (length: number) => void): Promise<void> {
  connection.subscribe(SUBJECT, {
    callback: (error, message) => {
      if (error) parent.failed(error)
      heard(message.data.length)
    },
  })
  return connection.flush()
}

async function streamReceive(task: Arguments, parent: Parent): Promise<void> {
  const connection = await dial(task)
  parent.ready(null)
  const meter = new FanMeter(task, await ControlSender.connect(task.text("control")), () => {
    const { seconds, deliveries } = meter.result
    parent.result({ seconds, count: deliveries })
  })
  await subscribe(connection, parent, length => meter.message(0, length))
  await parent.gone
}

async function fanReceive(task: Arguments, parent: Parent): Promise<void> {
  await receiveFan(task, parent, async (meter, index) => {
    await subscribe(await dial(task), parent, length => meter.message(index, length))
  })
}

async function replies(task: Arguments, parent: Parent): Promise<void> {
  const connection = await dial(task)
  connection.subscribe(SUBJECT, { callback: (_error, message) => void message.respond(message.data) })
  await connection.flush()
  parent.ready(null)
  await parent.gone
}

async function requests(task: Arguments, parent: Parent): Promise<void> {
  const connection = await dial(task)
  const payload = Buffer.alloc(task.number("size"), "x")
  // Longer than any round trip: the watchdog of the parent is the one that ends a measurement.
  const trip = async () => (await connection.request(SUBJECT, payload, { timeout: 120_000 })).data
  parent.result(await timeTrips(task, trip))
  await parent.gone
}

export const roles: Roles = {
  hello,
  "stream-send": send,
  "stream-receive": streamReceive,
  request: requests,
  reply: replies,
  "fan-send": send,
  "fan-receive": fanReceive,
}
