/**
 * Open sockets do not keep a process alive; a pending send, receive or close does, as in the npm package `zeromq`.
 * All handles of transports are unref'd, and this one timer stands for whoever waits.
 */
const FOREVER = 2 ** 30 // milliseconds, about 12 days; the interval only has to exist

let holders = 0
let timer: NodeJS.Timeout | undefined
let settling = false

export function hold(): void {
  if (holders++ > 0) return
  if (timer === undefined) timer = setInterval(() => {}, FOREVER)
  else timer.ref()
}

export function release(): void {
  if (--holders > 0 || settling) return
  // Receive loops release and hold again within a turn: letting go is put off, so that they do not pay for it.
  settling = true
  setImmediate(settle)
}

function settle(): void {
  settling = false
  if (holders === 0) timer?.unref()
}
