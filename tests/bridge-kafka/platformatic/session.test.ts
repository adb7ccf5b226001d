import assert from "node:assert/strict"
import { Session } from "../../../bridge-kafka/platformatic/membership.ts"
import { seeded } from "../../support/random.ts"
import { pass, until } from "../../support/wait.ts"

/** One in sixteen of Node's timers comes early. */
const MANY = 150

describe("the session of a member of a group", () => {
  it("ends at whatever part of a millisecond it does, although timers count whole ones", async () => {
    await seeded(async random => {
      let ended = 0
      for (let i = 0; i < MANY; i++) {
        new Session(20, () => ended++).heard(performance.now() + random.int(0, 999) / 1_000)
        await pass(random.int(0, 2))
      }
      await until(() => ended === MANY)
    })
  })

  it("says that this process stood still when it finds out much later", () => {
    let ended: boolean | null = null
    const session = new Session(10, awake => {
      ended = awake
    })
    // As after a SIGSTOP: the first to look is whoever asks.
    session.heard(performance.now() - 5_000)
    session.check()
    assert.equal(ended, false)
  })
})
