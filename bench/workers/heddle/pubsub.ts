import { Publisher, Subscriber } from "heddle"
import type { Arguments } from "../../task.ts"
import { ControlListener, ControlSender } from "../control.ts"
import { receiveFan } from "../fan-meter.ts"
import type { Parent } from "../parent.ts"
import { awaitSubscribers, fanOut } from "../publishing.ts"
import { publishSubjects, SubjectsMeter } from "../subjects.ts"
import { topic } from "../topics.ts"

/** A publisher at the endpoint of the task, and its fast way to publish: there is nothing to wait for. */
async function openPublisher(task: Arguments): Promise<{ publisher: Publisher; publish: (m: Buffer) => undefined }> {
  const publisher = new Publisher({ sendHighWaterMark: task.number("hwm") })
  await publisher.bind(task.text("endpoint"))
  const publish = (message: Buffer) => {
    publisher.trySend(message)
    return undefined
  }
  return { publisher, publish }
}

export async function fanSend(task: Arguments, parent: Parent): Promise<void> {
  const { publisher, publish } = await openPublisher(task)
  const control = await ControlListener.listen(task.text("control"))
  parent.ready(publisher.lastEndpoint)
  const greeting = Buffer.from("~")
  await awaitSubscribers(control, () => publish(greeting))
  const payload = Buffer.alloc(task.number("size"), "x")
  parent.result(await fanOut(task, control, () => publish(payload)))
  await parent.gone
}

export async function fanReceive(task: Arguments, parent: Parent): Promise<void> {
  await receiveFan(task, parent, (meter, index) => {
    const subscriber = new Subscriber({ receiveHighWaterMark: task.number("hwm") })
    subscriber.subscribe()
    subscriber.connect(task.text("endpoint"))
    subscriber.consume(([message]) => meter.message(index, message.length))
  })
}

export async function subjectsSend(task: Arguments, parent: Parent): Promise<void> {
  const { publisher, publish } = await openPublisher(task)
  await publishSubjects(task, parent, publisher.lastEndpoint, publish)
}

export async function subjectsReceive(task: Arguments, parent: Parent): Promise<void> {
  const meter = new SubjectsMeter(task, await ControlSender.connect(task.text("control")))
  const subscribers = task.number("subscribers")
  const topics = task.number("topics")
  for (let index = 0; index < subscribers; index++) {
    const subscriber = new Subscriber({ receiveHighWaterMark: task.number("hwm") })
    subscriber.connect(task.text("endpoint"))
    // Subscriptions made before the connection is there reach the publisher in any order.
    await subscriber.ready()
    for (let id = index; id < topics; id += subscribers) subscriber.subscribe(topic(id))
    // Last, so that whoever hears it has subscribed to everything.
    subscriber.subscribe("~")
    subscriber.consume(([message]) => meter.message(index, message.length))
  }
  parent.ready(null)
  await parent.gone
}
