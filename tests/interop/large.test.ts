import * as zmq from "zeromq"
import { Pull, Push } from "../../index.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { carries, everyWay, ours, payload, QUICK, theirs, WAYS } from "./support.ts"

const LARGE = 100 * 1000 * 1000

// Who binds makes no difference to the bytes: once each is enough.
const EACH_TRANSPORT = WAYS.filter(way => way.weBind)

describe("interop: one message of 100 MB", () => {
  closesAfterEach()

  everyWay(
    "our Push, their Pull",
    async meet => {
      const [from, to] = [ours(new Push(QUICK)), theirs(new zmq.Pull())]
      await meet(from, to)
      await carries({ send: m => from.send(m), receive: () => to.receive() }, [[payload(LARGE)], [payload(1)]])
    },
    EACH_TRANSPORT,
  )

  everyWay(
    "their Push, our Pull without maxMessageSize",
    async meet => {
      const [from, to] = [theirs(new zmq.Push()), ours(new Pull({ ...QUICK, maxMessageSize: -1 }))]
      await meet(to, from)
      await carries({ send: m => from.send(m), receive: () => to.receive() }, [[payload(LARGE)], [payload(1)]])
    },
    EACH_TRANSPORT,
  )
})
