import assert from "node:assert/strict"
import * as zmq from "zeromq"
import { Pull, Push } from "../../index.ts"
import { closesAfterEach, later, using } from "../support/cleanup.ts"
import { describeNative } from "../transports/native/addon-fixtures.ts"

describeNative("Abstract names between Heddle and libzmq", () => {
  closesAfterEach()

  it("are the same for both, whoever binds", async () => {
    const name = `ipc://@heddle-interop-${process.pid}`
    const theirs = new zmq.Pull()
    later(() => theirs.close())
    await theirs.bind(name)
    const push = using(new Push())
    push.connect(name)
    await push.send("to libzmq")
    assert.equal(String((await theirs.receive())[0]), "to libzmq")

    const ours = using(new Pull())
    await ours.bind(`${name}-2`)
    const other = new zmq.Push()
    later(() => other.close())
    other.connect(`${name}-2`)
    await other.send("from libzmq")
    assert.equal(String((await ours.receive())[0]), "from libzmq")
    // Between two of ours, too, also when the binder comes later.
    const late = using(new Push({ reconnectInterval: 10 }))
    late.connect(`${name}-3`)
    const sent = late.send("late")
    const binder = using(new Pull())
    await binder.bind(`${name}-3`)
    assert.equal(String((await binder.receive())[0]), "late")
    await sent
    await assert.rejects(using(new Pull()).bind(`${name}-3`), { code: "EADDRINUSE" })
  })
})
