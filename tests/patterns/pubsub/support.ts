import type { Message } from "../../../core/contract.ts"
import type { Reader } from "../../../core/inbox.ts"
import { PublisherPattern } from "../../../patterns/pubsub/publisher-pattern.ts"
import type { Verbosity } from "../../../patterns/pubsub/xpublisher-pattern.ts"
import { XPublisherPattern } from "../../../patterns/pubsub/xpublisher-pattern.ts"
import { PATTERN_OPTIONS } from "../../support/fake-pipe.ts"

/** Options of an XPublisher; a test changes them as a user does. */
export const settingsOf = () => ({
  ...PATTERN_OPTIONS,
  noDrop: false,
  invertMatching: false,
  maxSubscriptions: 1_000_000,
  onlyFirstSubscribe: false,
  verbosity: null as Verbosity,
  manual: false,
  lastValue: false,
  welcomeMessage: null as Buffer | string | null,
})

export type Settings = ReturnType<typeof settingsOf>

export function publisher(settings: Partial<Settings> = {}): PublisherPattern {
  return new PublisherPattern({ ...settingsOf(), ...settings })
}

export function xpublisher(settings: Partial<Settings> = {}): XPublisherPattern {
  return new XPublisherPattern({ ...settingsOf(), ...settings })
}

/** Frames as text, joined by "|"; the first byte of a request is written as + or -. */
export function text(message: Message): string {
  return message.map(frame => frame.toString("latin1").replace("\u0001", "+").replace("\u0000", "-")).join("|")
}

/** Everything that can be received now. */
export function received(inbox: Reader<Message>): string[] {
  const messages: string[] = []
  for (let message = inbox.tryReceive(); message !== null; message = inbox.tryReceive()) messages.push(text(message))
  return messages
}
