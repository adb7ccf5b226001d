/**
 * A program of two threads with open listeners, connections and a waiting dial, and nothing to do. It must end by
 * itself: argument "worker-first" or "main-first" says who binds.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { InprocTransport } from "../../../transports/inproc/index.ts"
import { Accepting, dial, endpoint, handshake, Recorder } from "./ends.ts"

const transport = new InprocTransport()
// Waits for ever, and must not keep anybody alive.
dial(transport, "nobody").catch(() => {})

async function bind(): Promise<void> {
  const accepting = new Accepting()
  accepting.connection = connection => {
    const heard = new Recorder()
    heard.onMessage = m => connection.send(m)
    connection.start(heard)
  }
  await transport.listen(endpoint("n"), handshake(), accepting)
}

async function call(): Promise<void> {
  const connection = await dial(transport, "n")
  const heard = new Recorder()
  connection.start(heard)
  const answered = new Promise<void>(resolve => {
    heard.onMessage = () => resolve()
  })
  connection.send([Buffer.from("ping")])
  await answered
}

// What core does for a pending call: something of its own keeps the thread alive until then.
const hold = setInterval(() => {}, 1000)
if (isMainThread) {
  const workerBinds = process.argv[2] === "worker-first"
  if (!workerBinds) await bind()
  const worker = new Worker(new URL(import.meta.url), { workerData: { workerBinds } })
  if (workerBinds) {
    await call()
    worker.postMessage("called")
  } else await new Promise(resolve => worker.once("message", resolve))
  console.log("done")
} else if (workerData.workerBinds) {
  await bind()
  await new Promise(resolve => parentPort?.once("message", resolve))
} else {
  await call()
  parentPort?.postMessage("called")
}
clearInterval(hold)
