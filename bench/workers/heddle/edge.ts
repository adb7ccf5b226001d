import { join } from "heddle"
import { ECHO, SUBJECT } from "../../edge/clients.ts"
import type { OpenEdge } from "../edge.ts"

/** The edge of a node that is alone in its fabric. */
export const openEdge: OpenEdge = async echo => {
  const fabric = await join("bench", {
    listen: [],
    discovery: [],
    edge: { listen: "ws://127.0.0.1:0", subscribe: ["bench.>"], request: ["bench.>"], rate: { messages: 0, bytes: 0 } },
  })
  if (echo) await fabric.serve(ECHO, message => message.bytes).ready
  return {
    endpoint: fabric.edgeEndpoints[0],
    publish: payload => void fabric.publish(SUBJECT, payload),
  }
}
