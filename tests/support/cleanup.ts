/** What a test opened, closed after it in reverse order, also when it failed. */
type Closing = () => unknown

let open: Closing[] = []

/** Call it in a `describe`: everything given to `later` or `using` is closed after each test. */
export function closesAfterEach(): void {
  afterEach(async () => {
    const closings = open.reverse()
    open = []
    for (const close of closings) await close()
  })
}

export function later(close: Closing): void {
  open.push(close)
}

/** Closes it after the test: sockets without lingering. */
export function using<T extends { close(options?: { linger: number }): unknown } | { destroy(): void }>(thing: T): T {
  later(() => ("close" in thing ? thing.close({ linger: 0 }) : thing.destroy()))
  return thing
}
