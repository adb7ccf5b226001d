import type { Fabric } from "heddle"
import type { News } from "./sheet.ts"

type Told = Omit<News, "number" | "at">

/** Longest text of one piece of news: names and errors come from others. */
const LONGEST = 300

/** What this node sees happen in the fabric. What others see they tell by their counters (losses.ts). */
export function newsOf({ events }: Fabric, tell: (news: Told) => void): void {
  const say = (type: Told["type"], name: string, text: string): void =>
    tell({ type, name: name.slice(0, LONGEST), text: text.slice(0, LONGEST) })
  events.on("join", ({ peer }) => say("join", peer.name, "has joined"))
  events.on("leave", ({ peer, why }) =>
    say("leave", peer.name, why === "left" ? "has left" : "is dead: it does not answer any more"),
  )
  events.on("up", ({ peer }) => say("up", peer.name, "is connected"))
  events.on("down", ({ peer, error }) =>
    say("down", peer.name, `connection lost${error === undefined ? "" : `: ${error.message}`}`),
  )
  events.on("suspect", ({ peer }) => say("suspect", peer.name, "does not answer"))
  events.on("recover", ({ peer }) => say("recover", peer.name, "answers again"))
  events.on("warning", ({ error }) => say("warning", "", `${error.code}: ${error.message}`))
}
