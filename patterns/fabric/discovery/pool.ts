/** Works through all items, `atOnce` at a time. Rejects with the first error; jobs that are under way go on. */
export async function forEachOf<T>(
  items: Iterable<T>,
  atOnce: number,
  job: (item: T) => Promise<unknown>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); !next.done; next = rest.next()) await job(next.value)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
