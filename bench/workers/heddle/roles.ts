import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../../paths.ts"
import type { Arguments } from "../../task.ts"
import type { Parent, Roles } from "../parent.ts"
import { idle } from "./idle.ts"
import { fanReceive, fanSend, subjectsReceive, subjectsSend } from "./pubsub.ts"
import { replies, requestInside, requests } from "./reqrep.ts"
import { streamInside, streamReceive, streamSend } from "./stream.ts"

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  parent.result({ version })
}

export const roles: Roles = {
  hello,
  "stream-send": streamSend,
  "stream-receive": streamReceive,
  "stream-inside": streamInside,
  reply: replies,
  request: requests,
  "request-inside": requestInside,
  "fan-send": fanSend,
  "fan-receive": fanReceive,
  "subjects-send": subjectsSend,
  "subjects-receive": subjectsReceive,
  idle,
}
