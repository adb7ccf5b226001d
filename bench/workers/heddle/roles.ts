import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../../paths.ts"
import type { Arguments } from "../../task.ts"
import { apiRoles } from "../api/roles.ts"
import type { Technology } from "../api/technology.ts"
import { edgeRoles } from "../edge.ts"
import type { Parent, Roles } from "../parent.ts"
import { openEdge } from "./edge.ts"
import { fabricReceive, fabricReplies, fabricRequests, fabricSend } from "./fabric-roles.ts"
import { groupReceive, groupSend } from "./group.ts"
import { idle } from "./idle.ts"
import { interestsReceive, interestsSend } from "./interests.ts"
import { kafkaRoles } from "./kafka/roles.ts"
import { mesh, meshNewcomer } from "./mesh.ts"
import { fanReceive, fanSend, subjectsReceive, subjectsSend } from "./pubsub.ts"
import { replies, requestInside, requests } from "./reqrep.ts"
import { event, request, requestIpc } from "./stock.ts"
import { streamInside, streamReceive, streamSend } from "./stream.ts"

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  parent.result({ version })
}

type Play = (task: Arguments, parent: Parent) => Promise<void>

/** The same role with a fabric or with sockets, as the way of the task says. */
function either(fabric: Play, sockets: Play): Play {
  return (task, parent) => (task.text("way").startsWith("fabric") ? fabric : sockets)(task, parent)
}

function technologyOf(task: Arguments): Technology {
  const way = task.text("way")
  if (way === "event") return event
  return way === "request-ipc" ? requestIpc : request
}

export const roles: Roles = {
  hello,
  "stream-send": streamSend,
  "stream-receive": streamReceive,
  "stream-inside": streamInside,
  reply: either(fabricReplies, replies),
  request: either(fabricRequests, requests),
  "request-inside": requestInside,
  "fan-send": either(fabricSend, fanSend),
  "fan-receive": either(fabricReceive, fanReceive),
  "subjects-send": subjectsSend,
  "subjects-receive": subjectsReceive,
  idle,
  mesh,
  "mesh-newcomer": meshNewcomer,
  "interests-send": interestsSend,
  "interests-receive": interestsReceive,
  "group-send": groupSend,
  "group-receive": groupReceive,
  ...edgeRoles(openEdge),
  ...kafkaRoles,
  ...apiRoles(technologyOf),
}
