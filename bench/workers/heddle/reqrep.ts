import { Reply, Request } from "heddle"
import type { Arguments } from "../../task.ts"
import { timeTrips } from "../meters.ts"
import type { Parent } from "../parent.ts"
import { linkOptions } from "./link-options.ts"
import { startThread } from "./thread.ts"

async function answer(reply: Reply): Promise<void> {
  for await (const message of reply) await reply.send(message)
}

async function ask(request: Request, task: Arguments, parent: Parent): Promise<void> {
  const payload = Buffer.alloc(task.number("size"), "x")
  const trip = async () => {
    await request.send(payload)
    return (await request.receive())[0]
  }
  parent.result(await timeTrips(task, trip))
  await parent.gone
}

/** Answers at `endpoint` until the socket is closed, which it never is. */
export function answerAt(endpoint: string): Promise<void> {
  const reply = new Reply()
  reply.connect(endpoint)
  return answer(reply)
}

export async function replies(task: Arguments, parent: Parent): Promise<void> {
  const reply = new Reply(linkOptions(task))
  await reply.bind(task.text("endpoint"))
  parent.ready(reply.lastEndpoint)
  await answer(reply)
}

export async function requests(task: Arguments, parent: Parent): Promise<void> {
  const request = new Request(linkOptions(task))
  request.connect(task.text("endpoint"))
  await ask(request, task, parent)
}

export async function requestInside(task: Arguments, parent: Parent): Promise<void> {
  const endpoint = "inproc://bench"
  const request = new Request()
  await request.bind(endpoint)
  if (task.text("way") === "worker-threads") startThread("reply", endpoint, parent)
  else answerAt(endpoint).catch(error => parent.failed(error))
  await ask(request, task, parent)
}
