import { addBench } from "./bench.ts"
import { addBridge } from "./bridge.ts"
import { addDoctor } from "./doctor.ts"
import { addPeers } from "./peers.ts"
import { addProxy } from "./proxy.ts"
import { addPub } from "./pub.ts"
import { addPull } from "./pull.ts"
import { addPush } from "./push.ts"
import { addRep } from "./rep.ts"
import { addReq } from "./req.ts"
import { addServe } from "./serve.ts"
import { addSub } from "./sub.ts"
import { addTop } from "./top.ts"
import { addTrace } from "./trace.ts"
import { addWork } from "./work.ts"

/** In the order in which `heddle --help` lists them. */
export const COMMANDS = [
  addPub,
  addSub,
  addPush,
  addPull,
  addReq,
  addRep,
  addProxy,
  addBench,
  addServe,
  addWork,
  addPeers,
  addTop,
  addTrace,
  addBridge,
  addDoctor,
]
