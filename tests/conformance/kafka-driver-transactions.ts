import assert from "node:assert/strict"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { uniqueName } from "../support/kafka.ts"
import { committed, isError, type NewDriver, newTopic, opened, readAll, record, texts } from "./kafka-driver.ts"

/** A transaction that is aborted after some of it was stored: the record of partition 1 is refused, in the last round. */
async function abortAfter(driver: KafkaDriver, id: string, topic: string, values: readonly string[]): Promise<void> {
  const producer = await driver.producer({ transactionalId: id })
  const refused = record(topic, "x".repeat(20_000), { partition: 1 })
  const call = [...values.map(value => record(topic, value)), refused]
  await assert.rejects(producer.transact(call), isError("poison", "MESSAGE_TOO_LARGE"))
  await producer.close()
}

async function commit(driver: KafkaDriver, id: string, topic: string, values: readonly string[]): Promise<void> {
  const producer = await driver.producer({ transactionalId: id })
  await producer.transact(values.map(value => record(topic, value)))
  await producer.close()
}

const SMALL = { "max.message.bytes": "10000" }

export function conformsWithTransactions(make: NewDriver): void {
  describe("transactions", () => {
    it("store in many partitions and topics at once, one after the other", async () => {
      const driver = opened(make)
      const [one, two] = [await newTopic(driver, 2), await newTopic(driver)]
      const producer = await driver.producer({ transactionalId: uniqueName("id") })
      // Called together: the driver must not mix them.
      const calls = [0, 1, 2].map(call =>
        producer.transact([record(one, `${call}`), record(one, `${call}`, { partition: 1 }), record(two, `${call}`)]),
      )
      const places = await Promise.all(calls)
      assert.deepEqual(places[0], [
        { topic: one, partition: 0, offset: 0 },
        { topic: one, partition: 1, offset: 0 },
        { topic: two, partition: 0, offset: 0 },
      ])
      for (const [topic, partition] of [
        [one, 0],
        [one, 1],
        [two, 0],
      ] as const) {
        assert.deepEqual(await committed(driver, topic, 3, {}, partition), ["0", "1", "2"])
      }
      assert.deepEqual(await producer.transact([]), [])
      await assert.rejects(producer.produce([record(one, "x")]), isError("fatal"))
    })

    it("leave nothing to be read when they fail, and the producer is of no use then", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver, 2, SMALL)
      const id = uniqueName("id")
      const producer = await driver.producer({ transactionalId: id })
      const call = [record(topic, "never"), record(topic, "x".repeat(20_000), { partition: 1 })]
      await assert.rejects(producer.transact(call), isError("poison"))
      await assert.rejects(producer.transact([record(topic, "neither")]), /broken by an earlier error/)
      await commit(driver, id, topic, ["seen"])
      assert.deepEqual(await committed(driver, topic, 1), ["seen"])
      const all = texts(await readAll(driver, topic, { isolation: "read_uncommitted" }))
      assert.deepEqual(all, ["never", "seen"])
    })

    it("that one producer aborts several times are all left out, also where the end comes in a later fetch", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver, 2, SMALL)
      const id = uniqueName("id")
      for (const round of [1, 2, 3]) {
        await abortAfter(driver, id, topic, [`no ${round}`, `${round}${"-".repeat(3_000)}`])
        await commit(driver, id, topic, [`yes ${round}`])
        await commit(driver, uniqueName("other"), topic, [`other ${round}`])
      }
      const wanted = [1, 2, 3].flatMap(round => [`yes ${round}`, `other ${round}`])
      for (const maxBytes of [1, 400, 3_500, 1_000_000]) {
        assert.deepEqual(
          await committed(driver, topic, wanted.length, { maxBytes }),
          wanted,
          `${maxBytes} bytes at once`,
        )
      }
    })

    it("of an earlier producer of the id are fenced", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver)
      const id = uniqueName("id")
      const zombie = await driver.producer({ transactionalId: id })
      await zombie.transact([record(topic, "before")])
      const heir = await driver.producer({ transactionalId: id })
      await assert.rejects(zombie.transact([record(topic, "zombie")]), isError("fenced"))
      await heir.transact([record(topic, "heir")])
      await assert.rejects(zombie.transact([record(topic, "zombie")]), isError("fenced"))
      assert.deepEqual(await committed(driver, topic, 2), ["before", "heir"])
      const all = texts(await readAll(driver, topic, { isolation: "read_uncommitted" }))
      assert.deepEqual(all, ["before", "heir"])
    })

    it("of an id that never was used fence as well: its first producer has an epoch of its own", async () => {
      const driver = opened(make)
      const topic = await newTopic(driver)
      const id = uniqueName("id")
      const zombie = await driver.producer({ transactionalId: id })
      await driver.producer({ transactionalId: id })
      await assert.rejects(zombie.transact([record(topic, "zombie")]), isError("fenced"))
    })
  })
}
