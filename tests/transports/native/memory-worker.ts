/** Maps memory of the process in a worker thread, writes to it, and keeps it until the thread ends. */
import { parentPort, workerData } from "node:worker_threads"
import { loadNative } from "../../../transports/native/native.ts"

const { descriptor, size } = workerData as { descriptor: number; size: number }
const memory = loadNative()?.openMemory(process.pid, descriptor, size)
if (memory !== undefined) new Uint8Array(memory)[3] = 9
parentPort?.postMessage(memory === undefined ? "no addon" : "mapped")
parentPort?.on("message", () => memory)
