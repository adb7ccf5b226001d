/** A worker thread of the ways called "worker threads": `ROLE key=value ...`. */
import { Arguments } from "../../task.ts"
import { answerAt } from "./reqrep.ts"
import { sendStream } from "./stream.ts"

const [role, ...pairs] = process.argv.slice(2)
const task = new Arguments(pairs)
if (role === "stream-send") await sendStream(task, task.text("endpoint"))
else if (role === "reply") await answerAt(task.text("endpoint"))
else throw new Error(`a thread does not play ${role}`)
