import assert from "node:assert/strict"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { brokerToTorment, type KafkaBroker, uniqueName } from "../support/kafka.ts"
import { LONG_RUN, seeded } from "../support/random.ts"
import { pass } from "../support/wait.ts"
import type { Place } from "./children/lives.ts"
import { acknowledgedBy, BridgeProcess, compare, countOf, PublisherProcess, placeOf, sinkFile } from "./fault-rig.ts"
import { readAll } from "./sink-rig.ts"

const SHARDS = 4
/** Those who wait for the frozen one give it up soon (milliseconds). */
const SUSPICION = 1_500

async function fabric(): Promise<Place> {
  const [node] = await overTcp(1, { membership: { suspicionTimeout: SUSPICION } })
  return placeOf(node, SUSPICION)
}

describe("faults: two instances, one of them a zombie", function () {
  // The watchdog is for what hangs: a machine that others load takes four times as long.
  this.timeout(LONG_RUN ? 400_000 : 150_000)
  let broker: KafkaBroker
  let driver: KafkaDriver

  before(async function () {
    // There a member that is silent is forgotten soon.
    broker = await brokerToTorment(this)
    driver = platformatic({ "bootstrap.servers": broker.bootstrap })
  })

  after(() => driver?.close())

  closesAfterEach()

  // Half a minute for both.
  for (const guarantee of LONG_RUN ? (["exactly-once", "at-least-once"] as const) : (["exactly-once"] as const)) {
    it(`${guarantee}: a frozen instance that wakes up after its shards have moved gives up, and what it has reaches the owner`, () =>
      seeded(async random => {
        const place = await fabric()
        const bridge = uniqueName("bridge")
        const topic = uniqueName("orders")
        const instance = (): BridgeProcess =>
          BridgeProcess.start({
            ...place,
            config: sinkFile({
              bridge,
              bootstrap: broker.bootstrap,
              topic,
              out: { guarantee, coordination: "group", shards: SHARDS, subjects: "stored.>,spooled.>" },
            }),
          })
        const instances = await Promise.all([instance().ready(), instance().ready()])
        const owned = async (one: BridgeProcess): Promise<number> =>
          (await one.connector()).tasks.filter(({ state }) => state !== "taking").length
        const shared = async (): Promise<void> => {
          while ((await owned(instances[0])) * (await owned(instances[1])) !== (SHARDS / 2) ** 2) await pass(20)
        }
        await shared()
        const stored = await PublisherProcess.start({ ...place, bridge, prefix: "stored", subjects: 23 }).ready()
        const spooled = await PublisherProcess.start({
          ...place,
          bridge,
          prefix: "spooled",
          ack: "spooled",
          subjects: 23,
        }).ready()
        await stored.flow()
        let rounds = 0
        for (let left = LONG_RUN ? 6 : 1; left > 0; left--, rounds++) {
          const [zombie, owner] = rounds % 2 === 0 ? instances : instances.toReversed()
          // It has records that it has answered for and not sent.
          await zombie.pause()
          await spooled.publish(300)
          const { waiting } = await zombie.comesTo(one => one.waiting > 20)
          assert.ok(waiting > 20)
          if (random.chance(0.5)) await zombie.resume()
          await pass(random.int(0, 15))
          zombie.program.signal("SIGSTOP")
          const then = await stored.report()
          await owner.comesTo(one => one.tasks.filter(({ state }) => state === "running").length === SHARDS)
          await stored.comesTo(report => countOf(report) > countOf(then) + 300)
          zombie.program.signal("SIGCONT")
          await zombie.resume()
          await zombie.comesTo(one => one.waiting < 100)
          await shared()
        }
        await stored.stop()
        const reports = [await stored.settled(), await spooled.settled()]
        for (const one of instances) await one.comesTo(({ waiting, state }) => waiting === 0 && state === "running")
        const records = await readAll(driver, topic, countOf(reports[0]) + countOf(reports[1]))
        for (const [i, prefix] of ["stored", "spooled"].entries()) {
          assert.deepEqual(reports[i].refused, {})
          const acknowledged = acknowledgedBy(reports[i])
          assert.equal(acknowledged.length, reports[i].published)
          const own = records.filter(({ key }) => key?.toString().startsWith(prefix))
          // What lay in the spool of the one that stood still comes late: that is as if its host had died (SINK-1).
          const once = guarantee === "exactly-once"
          compare(own, acknowledged, { once, inOrder: once && prefix === "stored" })
        }
      }))
  }

  it("without coordination, a frozen instance that wakes up after another took over says so, and stores nothing more", async () => {
    const place = await fabric()
    const bridge = uniqueName("bridge")
    const topic = uniqueName("orders")
    const instance = (): Promise<BridgeProcess> => {
      const out = { guarantee: "exactly-once", coordination: "none" }
      const config = sinkFile({ bridge, bootstrap: broker.bootstrap, topic, out })
      return BridgeProcess.start({ ...place, config }).ready()
    }
    const zombie = await instance()
    const publisher = await PublisherProcess.start({ ...place, bridge }).ready()
    await publisher.flow()
    await publisher.comesTo(report => countOf(report) > 500)
    zombie.program.signal("SIGSTOP")
    const before = countOf(await publisher.report())
    await instance()
    zombie.program.signal("SIGCONT")
    const { trouble } = await zombie.comesTo(one => one.state === "failed")
    assert.match(trouble ?? "", /taken over by another process/)
    await publisher.comesTo(report => countOf(report) > before + 500)
    await publisher.stop()
    const report = await publisher.settled()
    assert.deepEqual(report.refused, {})
    assert.equal(countOf(report), report.published)
    compare(await readAll(driver, topic, countOf(report)), acknowledgedBy(report), { once: true, inOrder: true })
  })
})
