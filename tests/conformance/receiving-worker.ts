/** A thread that sends: over `inproc://` to the thread that started it. */
import { workerData } from "node:worker_threads"
import { Push } from "../../index.ts"
import { messagesOf, sendAll } from "./receiving-messages.ts"

const { endpoint, seed, count } = workerData as { endpoint: string; seed: number; count: number }
const push = new Push()
push.connect(endpoint)
await sendAll(push, messagesOf(seed, count))
await push.close()
