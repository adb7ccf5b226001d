import * as zmq from "zeromq"
import type { Arguments } from "../../task.ts"
import { ControlListener, ControlSender } from "../control.ts"
import { receiveFan } from "../fan-meter.ts"
import { answerMemory } from "../idle.ts"
import { StreamMeter, timeTrips } from "../meters.ts"
import type { Parent, Roles } from "../parent.ts"
import { awaitSubscribers, fanOut } from "../publishing.ts"
import { publishSubjects, SubjectsMeter } from "../subjects.ts"
import { topic } from "../topics.ts"
import { versionOf } from "../version.ts"

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  parent.result({ version: `${versionOf("zeromq")} with libzmq ${zmq.version}` })
}

async function sendStream(push: zmq.Push, task: Arguments): Promise<void> {
  const total = task.number("warm") + task.number("count")
  const payload = Buffer.alloc(task.number("size"), "x")
  for (let i = 0; i < total; i++) await push.send(payload)
}

async function receiveStream(pull: zmq.Pull, task: Arguments): Promise<StreamMeter> {
  const meter = new StreamMeter(task)
  for await (const [message] of pull) if (meter.message(message.length)) break
  return meter
}

async function streamSend(task: Arguments, parent: Parent): Promise<void> {
  const push = new zmq.Push({ sendHighWaterMark: task.number("hwm") })
  push.connect(task.text("endpoint"))
  await sendStream(push, task)
  await parent.gone
}

async function streamReceive(task: Arguments, parent: Parent): Promise<void> {
  const pull = new zmq.Pull({ receiveHighWaterMark: task.number("hwm") })
  await pull.bind(task.text("endpoint"))
  parent.ready(pull.lastEndpoint)
  parent.result((await receiveStream(pull, task)).result)
  await parent.gone
}

async function streamInside(task: Arguments, parent: Parent): Promise<void> {
  const pull = new zmq.Pull({ receiveHighWaterMark: task.number("hwm") })
  const push = new zmq.Push({ sendHighWaterMark: task.number("hwm") })
  await pull.bind("inproc://bench")
  push.connect("inproc://bench")
  const [meter] = await Promise.all([receiveStream(pull, task), sendStream(push, task)])
  parent.result(meter.result)
  await parent.gone
}

async function answer(reply: zmq.Reply): Promise<void> {
  for await (const message of reply) await reply.send(message)
}

function ask(request: zmq.Request, task: Arguments) {
  const payload = Buffer.alloc(task.number("size"), "x")
  return timeTrips(task, async () => {
    await request.send(payload)
    return (await request.receive())[0]
  })
}

async function replies(task: Arguments, parent: Parent): Promise<void> {
  const reply = new zmq.Reply()
  await reply.bind(task.text("endpoint"))
  parent.ready(reply.lastEndpoint)
  await answer(reply)
}

async function requests(task: Arguments, parent: Parent): Promise<void> {
  const request = new zmq.Request()
  request.connect(task.text("endpoint"))
  parent.result(await ask(request, task))
  await parent.gone
}

async function requestInside(task: Arguments, parent: Parent): Promise<void> {
  const reply = new zmq.Reply()
  const request = new zmq.Request()
  await reply.bind("inproc://bench")
  request.connect("inproc://bench")
  answer(reply).catch(error => parent.failed(error))
  parent.result(await ask(request, task))
  await parent.gone
}

async function fanSend(task: Arguments, parent: Parent): Promise<void> {
  const publisher = new zmq.Publisher({ sendHighWaterMark: task.number("hwm") })
  await publisher.bind(task.text("endpoint"))
  const control = await ControlListener.listen(task.text("control"))
  parent.ready(publisher.lastEndpoint)
  await awaitSubscribers(control, () => publisher.send("~"))
  const payload = Buffer.alloc(task.number("size"), "x")
  parent.result(await fanOut(task, control, () => publisher.send(payload)))
  await parent.gone
}

async function fanReceive(task: Arguments, parent: Parent): Promise<void> {
  await receiveFan(task, parent, (meter, index) => {
    const subscriber = new zmq.Subscriber({ receiveHighWaterMark: task.number("hwm") })
    subscriber.subscribe()
    subscriber.connect(task.text("endpoint"))
    const listen = async () => {
      for await (const [message] of subscriber) meter.message(index, message.length)
    }
    listen().catch(error => parent.failed(error))
  })
}

async function subjectsSend(task: Arguments, parent: Parent): Promise<void> {
  const publisher = new zmq.Publisher({ sendHighWaterMark: task.number("hwm") })
  await publisher.bind(task.text("endpoint"))
  await publishSubjects(task, parent, publisher.lastEndpoint, message => publisher.send(message))
}

async function subjectsReceive(task: Arguments, parent: Parent): Promise<void> {
  const meter = new SubjectsMeter(task, await ControlSender.connect(task.text("control")))
  const subscribers = task.number("subscribers")
  const topics = task.number("topics")
  const listen = async (index: number) => {
    // XSUB, because it alone takes a sendHighWaterMark here: subscriptions beyond it would be dropped.
    const subscriber = new zmq.XSubscriber({ receiveHighWaterMark: task.number("hwm"), sendHighWaterMark: 0 })
    subscriber.connect(task.text("endpoint"))
    for (let id = index; id < topics; id += subscribers) await subscriber.send(`\x01${topic(id)}`)
    // Last, so that whoever hears it has subscribed to everything.
    await subscriber.send("\x01~")
    for await (const [message] of subscriber) meter.message(index, message.length)
  }
  for (let i = 0; i < subscribers; i++) listen(i).catch(error => parent.failed(error))
  parent.ready(null)
  await parent.gone
}

async function idle(task: Arguments, parent: Parent): Promise<void> {
  const pull = new zmq.Pull({ receiveHighWaterMark: task.number("hwm"), backlog: task.number("backlog") })
  await pull.bind(task.text("endpoint"))
  parent.ready(pull.lastEndpoint)
  await answerMemory(parent)
}

export const roles: Roles = {
  hello,
  "stream-send": streamSend,
  "stream-receive": streamReceive,
  "stream-inside": streamInside,
  reply: replies,
  request: requests,
  "request-inside": requestInside,
  "fan-send": fanSend,
  "fan-receive": fanReceive,
  "subjects-send": subjectsSend,
  "subjects-receive": subjectsReceive,
  idle,
}
