import { addBench } from "./bench.ts"
import { addProxy } from "./proxy.ts"
import { addPub } from "./pub.ts"
import { addPull } from "./pull.ts"
import { addPush } from "./push.ts"
import { addRep } from "./rep.ts"
import { addReq } from "./req.ts"
import { addSub } from "./sub.ts"

/** In the order in which `heddle --help` lists them. */
export const COMMANDS = [addPub, addSub, addPush, addPull, addReq, addRep, addProxy, addBench]
