/** The partner in a thread of its own, for inproc. */
import { workerData } from "node:worker_threads"
import { Pair } from "heddle"
import { receive } from "./receive.ts"

const socket = new Pair()
socket.connect(workerData as string)
await receive(socket)
await socket.close()
