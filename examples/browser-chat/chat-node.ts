/**
 * The node of the chat. Pages may say something in a room under their own name only (`say.ROOM.NAME`); the node looks at it and publishes
 * it to all who are in the room (`rooms.ROOM`). It keeps the last 20 of each room, and tells who is here (`people`).
 */
import { type Fabric, join } from "heddle"
import { pageFiles } from "../support/page.ts"

/** What stands in `rooms.ROOM`. */
export interface Said {
  readonly from: string
  readonly text: string
  /** Milliseconds since 1970. */
  readonly at: number
}

const KEPT = 20
const LONGEST = 500

/** One token of a subject. */
const NAME = /^[\p{L}\p{N}_-]{1,24}$/u

export async function startChat(listen: string): Promise<Fabric> {
  const fabric = await join("browser-chat", {
    name: "chat",
    discovery: [],
    edge: {
      listen,
      files: pageFiles("browser-chat"),
      // A real host would look up who the token belongs to. Here the name is the token.
      token: name => (NAME.test(name) ? { user: name, publish: [`say.*.${name}`] } : null),
      subscribe: ["rooms.*", "people"],
    },
  })
  fabric.keep("rooms.*", { last: KEPT })
  fabric.subscribe("say.*.*", ({ subject, data }) => {
    const [, room, from] = subject.split(".")
    if (typeof data !== "string" || data.trim() === "" || !NAME.test(room)) return
    fabric.publish(`rooms.${room}`, { from, text: data.slice(0, LONGEST), at: Date.now() } satisfies Said)
  })
  tellWhoIsHere(fabric)
  return fabric
}

/** Pages that are connected, by the names of their users: one may have several. */
function tellWhoIsHere(fabric: Fabric): void {
  const here = new Map<string, number>()
  const tell = (): void => {
    // Those who are told that the node leaves are gone when it has left.
    if (!fabric.closed) fabric.publish("people", [...here.keys()].sort())
  }
  fabric.keep("people", { last: 1 })
  tell()
  fabric.events.on("edge", ({ what, client }) => {
    if (what !== "join" && what !== "leave") return
    const pages = (here.get(client.user) ?? 0) + (what === "join" ? 1 : -1)
    if (pages > 0) here.set(client.user, pages)
    else here.delete(client.user)
    tell()
  })
}
