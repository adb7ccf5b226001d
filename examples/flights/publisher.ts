import { Publisher, Push } from "heddle"
import { Packr } from "msgpackr"
import { readPart } from "./records.ts"
import { END, Line, type PublisherTask, type Task } from "./roles.ts"

/** Streams its part of the records: as events to those who subscribed, and as tasks to the workers. */
export async function publisher(task: Task & PublisherTask): Promise<void> {
  const line = new Line(task)
  const packr = new Packr({ useRecords: false })
  // `noDrop`: an event waits for the slowest subscriber rather than being dropped for it.
  const events = new Publisher({ noDrop: true })
  const tasks = new Push()
  await Promise.all([events.bind("tcp://127.0.0.1:*"), tasks.bind("ipc://*")])
  await line.report({ addresses: [events.lastEndpoint as string, tasks.lastEndpoint as string] })
  await Promise.all([events.ready({ peers: task.subscribers, topic: END }), tasks.ready({ peers: task.workers })])
  for (const part of task.parts) {
    for (const flight of await readPart(part)) {
      const subject = `flight.${flight.origin}.${flight.destination}`
      const body = packr.pack(flight)
      if (!events.trySend([subject, body])) await events.send([subject, body])
      if (!tasks.trySend(body)) await tasks.send(body)
      line.state.sent += 2
      // A reader of a file that never waits would starve its own reports.
      if (line.state.sent % 20_000 === 0) await new Promise(resolve => setImmediate(resolve))
    }
  }
  await events.send(END)
  await line.report({ done: true })
  await line.stopped
  await Promise.all([events.close(), tasks.close(), line.close()])
}
