import type { Arguments } from "../../../task.ts"
import type { Parent, Roles } from "../../parent.ts"

type Play = (task: Arguments, parent: Parent) => Promise<void>

/** Loaded when they are played: other roles of Heddle do without the bridge. */
function later(load: () => Promise<Play>): Play {
  return async (task, parent) => (await load())(task, parent)
}

export const kafkaRoles: Roles = {
  "kafka-bridge": later(async () => (await import("./bridge.ts")).bridge),
  "kafka-publish": later(async () => (await import("./publisher.ts")).publisher),
  "kafka-load": later(async () => (await import("./publisher.ts")).load),
  "kafka-durable": later(async () => (await import("./publisher.ts")).durably),
  "kafka-spool": later(async () => (await import("./spool.ts")).spool),
}
