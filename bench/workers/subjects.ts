import { setImmediate as nextTurn } from "node:timers/promises"
import type { Arguments } from "../task.ts"
import { ControlListener, type ControlSender } from "./control.ts"
import type { Parent } from "./parent.ts"
import { awaitSubscribers, publishPaced } from "./publishing.ts"
import { randomTopics } from "./topics.ts"

/** Messages nobody wants need no pacing, only a turn for the event loop now and then. */
const BURST = 500

/** Milliseconds: matching alone is so fast that `count` messages may be over before anything is compiled. */
const LEAST = 100

const GREETING = Buffer.from("~")

/** The publisher of the scenario `subjects`: waits for all subscriptions, then plays a round for each line of the parent. */
export async function publishSubjects(
  task: Arguments,
  parent: Parent,
  endpoint: string | null,
  publish: (message: Buffer) => Promise<void> | undefined,
): Promise<void> {
  const topics = task.number("topics")
  const control = await ControlListener.listen(task.text("control"))
  parent.ready(endpoint)
  await awaitSubscribers(control, () => publish(GREETING))
  parent.result({})
  let published = 0

  const wanted = async (count: number) => {
    const messages = randomTopics(topics, count, true)
    const base = published
    published += count
    const before = performance.now()
    const whole = await publishPaced(i => publish(messages[i - base]), base, published, task.number("window"), control)
    if (!whole) throw new Error("no word from the subscribers: messages were lost")
    return ((performance.now() - before) * 1e6) / count
  }
  const unwanted = async (count: number) => {
    const messages = randomTopics(topics, count, false)
    const before = performance.now()
    let passes = 0
    do {
      for (let i = 0; i < count; i++) {
        const pending = publish(messages[i])
        if (pending) await pending
        if (i % BURST === 0) await nextTurn()
      }
      passes++
    } while (performance.now() - before < LEAST)
    return ((performance.now() - before) * 1e6) / (passes * count)
  }
  parent.onLine(line => {
    const count = Number(line)
    const round = async () => parent.result({ wanted: await wanted(count), unwanted: await unwanted(count) })
    round().catch(error => parent.failed(error))
  })
  await parent.gone
}

/** The receiving process: counts what comes to any of its subscribers. */
export class SubjectsMeter {
  private readonly step: number
  private readonly subscribers: number
  private readonly control: ControlSender
  private readonly heard = new Set<number>()
  private received = 0

  constructor(task: Arguments, control: ControlSender) {
    this.step = task.number("step")
    this.subscribers = task.number("subscribers")
    this.control = control
  }

  message(subscriber: number, length: number): void {
    if (length > GREETING.length) {
      if (++this.received % this.step === 0) this.control.tell(this.received)
    } else if (!this.heard.has(subscriber)) {
      this.heard.add(subscriber)
      if (this.heard.size === this.subscribers) this.control.tell(0)
    }
  }
}
