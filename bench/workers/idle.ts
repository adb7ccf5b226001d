import type { Parent } from "./parent.ts"

/** Answers each line of the parent with the memory in use, after a full collection. Needs `--expose-gc`. */
export async function answerMemory(parent: Parent): Promise<void> {
  const { gc } = globalThis
  if (!gc) throw new Error("started without --expose-gc")
  parent.onLine(() => {
    // Twice, with a turn between them: finalizers of the first free what the second collects.
    gc()
    setImmediate(() => {
      gc()
      const { rss, heapUsed, external } = process.memoryUsage()
      parent.result({ rss, heap: heapUsed + external })
    })
  })
  await parent.gone
}
