/** What a callback throws is its owner's bug, which nobody catches, and not a failure of the disk. */
export function tell<T>(callback: ((value: T) => void) | undefined, value: T): void {
  try {
    callback?.(value)
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
  }
}
