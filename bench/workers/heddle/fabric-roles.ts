import type { Arguments } from "../../task.ts"
import { ControlListener } from "../control.ts"
import { receiveFan } from "../fan-meter.ts"
import { timeTrips } from "../meters.ts"
import type { Parent } from "../parent.ts"
import { awaitSubscribers, fanOut } from "../publishing.ts"
import { joinAt, listenAt, TIMEOUT } from "./fabric.ts"

const SUBJECT = "bench.messages"

/** The scenario says where; one way is by what processes of one machine use by themselves. */
function endpointOf(task: Arguments): string {
  return task.text("way") === "fabric-ipc" ? "ipc://*" : task.text("endpoint")
}

export async function fabricSend(task: Arguments, parent: Parent): Promise<void> {
  const fabric = await listenAt(endpointOf(task))
  const control = await ControlListener.listen(task.text("control"))
  parent.ready(fabric.endpoints[0])
  const publish = (message: Buffer) => {
    fabric.publish(SUBJECT, message)
    return undefined
  }
  const greeting = Buffer.from("~")
  await awaitSubscribers(control, () => publish(greeting))
  const payload = Buffer.alloc(task.number("size"), "x")
  parent.result(await fanOut(task, control, () => publish(payload)))
  await parent.gone
}

export async function fabricReceive(task: Arguments, parent: Parent): Promise<void> {
  await receiveFan(task, parent, async (meter, index) => {
    const fabric = await joinAt(task.text("endpoint"))
    await fabric.subscribe(SUBJECT, ({ data }) => meter.message(index, (data as Buffer).length)).ready
  })
}

export async function fabricReplies(task: Arguments, parent: Parent): Promise<void> {
  const fabric = await listenAt(endpointOf(task))
  fabric.serve(SUBJECT, message => message.data)
  parent.ready(fabric.endpoints[0])
  await parent.gone
}

export async function fabricRequests(task: Arguments, parent: Parent): Promise<void> {
  const fabric = await joinAt(task.text("endpoint"))
  await fabric.ready({ subject: SUBJECT, servers: 1 })
  const payload = Buffer.alloc(task.number("size"), "x")
  const trip = async () => (await fabric.request(SUBJECT, payload, { timeout: TIMEOUT })).data as Buffer
  parent.result(await timeTrips(task, trip))
  await parent.gone
}
