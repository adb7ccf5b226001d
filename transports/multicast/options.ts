import type { LinkOptions } from "../../core/contract.ts"
import type { ChunkMemory } from "./chunks.ts"
import { RECEIVER_DEFAULTS, type ReceiverSettings, SENDER_DEFAULTS, type SenderSettings } from "./engine.ts"

/** Bytes that we ask the operating system to keep of a group until we read them; it may give less. */
const INLET_BUFFER = 8 * 1024 * 1024
/** The same of what receivers say to a sender: 48 bytes each, and their bookkeeping. */
const OUTLET_BUFFER = 1024 * 1024
/** What every operating system gives; the simulated one, too. */
const LEAST_BUFFER = 64 * 1024

const WINDOW = SENDER_DEFAULTS.window

export function inletBuffer({ receiveBufferSize = -1 }: LinkOptions): number {
  return receiveBufferSize < 0 ? INLET_BUFFER : receiveBufferSize
}

export function outletBuffer({ receiveBufferSize = -1 }: LinkOptions): number {
  return receiveBufferSize < 0 ? OUTLET_BUFFER : receiveBufferSize
}

export function senderSettings(
  options: LinkOptions,
  kind: number,
  datagram: number,
  memory: ChunkMemory,
): SenderSettings {
  const { multicastWindow = WINDOW, recoveryInterval, rate = 0, multicastFlow, multicastParity } = options
  return {
    ...SENDER_DEFAULTS,
    datagram,
    kind,
    window: multicastWindow,
    recoveryInterval: recoveryInterval ?? SENDER_DEFAULTS.recoveryInterval,
    // Kilobits to bytes.
    rate: (rate * 1000) / 8,
    flow: multicastFlow ?? SENDER_DEFAULTS.flow,
    parity: multicastParity ?? SENDER_DEFAULTS.parity,
    // The socket's own `linger` bounds the wait for receivers that are alive; the others are given up sooner.
    linger: Number.POSITIVE_INFINITY,
    // Our ports copy what they cannot send at once, or answer false.
    reuse: true,
    memory,
    // A datagram of the largest kind would be all of it.
    initialWindow: Math.max(SENDER_DEFAULTS.initialWindow, 2 * datagram),
  }
}

/** `buffer`: bytes that the operating system keeps of the group until we read them. */
export function receiverSettings(options: LinkOptions, buffer = LEAST_BUFFER): ReceiverSettings {
  const { multicastWindow = WINDOW, recoveryInterval, maxMessageSize } = options
  return {
    ...RECEIVER_DEFAULTS,
    receiveWindow: Math.min(multicastWindow, Math.max(buffer, LEAST_BUFFER)),
    recoveryInterval: recoveryInterval ?? RECEIVER_DEFAULTS.recoveryInterval,
    maxMessageSize,
  }
}
