import { Subscriber } from "heddle"
import { Unpackr } from "msgpackr"
import { count, noFigures } from "./figures.ts"
import type { Flight } from "./records.ts"
import { END, Line, type SubscriberTask, type Task } from "./roles.ts"

/** Follows the subjects it wants at every publisher and adds them up. */
export async function subscriber(task: Task & SubscriberTask): Promise<void> {
  const line = new Line(task)
  const unpackr = new Unpackr({ useRecords: false })
  const events = new Subscriber()
  events.subscribe(...task.wants, END)
  for (const address of task.events) events.connect(address)
  const figures = noFigures()
  let ended = 0
  for await (const batch of events.batches()) {
    for (const [subject, body] of batch) {
      if (body === undefined && subject.equals(Buffer.from(END))) ended++
      else {
        line.state.received++
        count(figures, unpackr.unpack(body) as Flight)
      }
    }
    if (ended === task.events.length) break
  }
  await line.report({ figures, done: true })
  await line.stopped
  await Promise.all([events.close(), line.close()])
}
