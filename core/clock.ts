/**
 * Milliseconds that only go forward. `performance` as a global is looked up by a getter at every use, which costs as much as
 * the clock itself: whoever reads it for each message takes it from here.
 */
export const clock: { now(): number } = performance
