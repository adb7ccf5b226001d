/** inproc reaches worker threads: the main thread hands out numbers, a thread sums them. Run: node dist/examples/worker-threads.js */
import { isMainThread, Worker } from "node:worker_threads"
import { Pair } from "heddle"

if (isMainThread) {
  const pair = new Pair()
  await pair.bind("inproc://sums")
  new Worker(new URL(import.meta.url))
  for (let number = 1; number <= 100_000; number++) if (!pair.trySend(String(number))) await pair.send(String(number))
  await pair.send("total?")
  const [total] = await pair.receive()
  console.log(`1 + 2 + ... + 100000 = ${total}`)
  await pair.close()
} else {
  const pair = new Pair()
  pair.connect("inproc://sums")
  let total = 0
  for await (const [text] of pair) {
    if (text.toString() === "total?") break
    total += Number(text)
  }
  await pair.send(String(total))
  await pair.close()
}
