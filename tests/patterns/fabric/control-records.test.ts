import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"
import { collect, events, withValve } from "./nodes.ts"

const CONTROL = 64 * 1024
/** Subscriptions that come and go in one turn of the test: some 2,000 bytes of control records. */
const CROWD = 50

describe("fabric: control records for a peer that does not read", () => {
  closesAfterEach()

  it("FAB-LNK-11 are bounded: the link begins anew, wishes are as they are then, and the gap is told", async () => {
    const { publisher, subscriber, valve } = await withValve(1024 * 1024, {
      resume: { control: CONTROL },
      // The next connection may go by another way.
      advertise: undefined,
    })
    const got = collect<number>(subscriber, "n")
    await got.subscription.ready
    publisher.publish("n", 0)
    await got.count(1)
    const gaps = events(subscriber, "gap")
    const warnings = events(publisher, "warning")
    const stays = collect<number>(publisher, "stays")
    await stays.subscription.ready
    valve.stall()
    publisher.publish("n", 1)
    let most = 0
    for (let i = 0; warnings.length === 0; i++) {
      for (let j = 0; j < CROWD; j++) publisher.subscribe(`gone.${i}.${j}`, () => {}).unsubscribe()
      await turns()
      most = Math.max(most, publisher.stats().peers[0].unacknowledged)
    }
    // Those of one turn more, and the message.
    assert.ok(most > CONTROL && most < 2 * CONTROL, `${most} bytes`)
    assert.match(warnings[0].error.message, /subscriber does not read: \d+ bytes of control records .*resume\.control/)
    const later = collect<number>(publisher, "later")
    // Nothing is written for it meanwhile.
    for (let j = 0; j < CROWD; j++) publisher.subscribe(`gone.${j}`, () => {}).unsubscribe()
    publisher.publish("n", 2)
    assert.equal(publisher.stats().peers[0].unacknowledged, 0)
    valve.flow()
    await until(() => gaps.length > 0)
    await subscriber.ready({ subject: "later" })
    await subscriber.ready({ subject: "stays" })
    assert.deepEqual([subscriber.publish("stays", 7).peers, subscriber.publish("later", 8).peers], [1, 1])
    await Promise.all([stays.count(1), later.count(1)])
    assert.equal(subscriber.publish("gone.1.1", 0).peers, 0)
    publisher.publish("n", 3)
    await until(() => got.values().at(-1) === 3)
    // The first may have been on the way.
    const lost = gaps.reduce((sum, { missing }) => sum + (missing ?? 0), 0)
    assert.deepEqual(got.values(), lost === 1 ? [0, 1, 3] : [0, 3])
    assert.ok(lost === 1 || lost === 2, `${lost} lost`)
    await until(() => publisher.stats().peers[0].unacknowledged === 0)
  })

  it("FAB-LNK-11 may be as many as there are wishes", async () => {
    const { publisher, subscriber } = await withValve(1024 * 1024, { resume: { control: 1_000 } })
    const warnings = events(publisher, "warning")
    const wishes = Array.from({ length: 2_000 }, (_, i) => publisher.subscribe(`many.${i}`, () => {}))
    await wishes[0].ready
    assert.equal(subscriber.publish("many.1999", 1).peers, 1)
    assert.deepEqual(warnings, [])
  })
})
