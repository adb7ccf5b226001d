import assert from "node:assert/strict"
import type { SinkSettings } from "../../bridge-kafka/sink/settings.ts"
import { later } from "../support/cleanup.ts"
import { pass, until } from "../support/wait.ts"
import { onKafka } from "./on-kafka.ts"
import { type Rig, readAll, startSink } from "./sink-rig.ts"

const SHARDS = 4

describe("plain messages while shards move, with Kafka (SINK-2)", () => {
  const on = onKafka({ hosts: 2, drivers: 2 })

  const start = (index: number, more: Partial<SinkSettings>): Promise<Rig> =>
    startSink({
      fabric: on.hosts[index],
      driver: on.drivers[index],
      settings: {
        bridge: on.bridge,
        shards: SHARDS,
        coordination: "group",
        routes: [{ subjects: "orders.>", topic: on.topic }],
        ...more,
      },
    })

  /** Publishes from now on, until it is called; then says how many there were. */
  function publishing(): () => number {
    let count = 0
    const timer = setInterval(() => {
      for (let i = 0; i < 5; i++) on.user.publish(`orders.s${count % 13}`, String(count++), { codec: "string" })
    }, 5)
    later(() => clearInterval(timer))
    return () => {
      clearInterval(timer)
      return count
    }
  }

  const owned = ({ sink }: Rig): number => sink.status().owned.length

  async function numbers(atLeast: number): Promise<number[]> {
    return (await readAll(on.drivers[1], on.topic, atLeast)).map(record => Number(record.value?.toString()))
  }

  /** Resolves when so many different ones are there: the last may come for a second time first. */
  async function distinct(count: number): Promise<void> {
    while (new Set(await numbers(0)).size < count) await pass(20)
  }

  for (const spoolMode of ["always", "off"] as const) {
    it(`at-least-once misses none, spool.mode ${spoolMode}: join, leave and take-over`, async () => {
      const one = await start(0, { spoolMode })
      await until(() => owned(one) === SHARDS)
      const end = publishing()
      await until(() => one.sink.status().counters.stored > 100)
      const two = await start(1, { spoolMode })
      await until(() => owned(one) + owned(two) === SHARDS && owned(two) > 0)
      const before = two.sink.status().counters.stored
      await until(() => two.sink.status().counters.stored > before + 100)
      await one.close()
      await until(() => owned(two) === SHARDS)
      const then = two.sink.status().counters.stored
      await until(() => two.sink.status().counters.stored > then + 100)
      const published = end()
      await on.user.flush()
      await distinct(published)
      const { adopted, takeOverMissed, takeOverUncertain } = two.sink.status().counters
      assert.ok(adopted > 0)
      assert.deepEqual([takeOverMissed, takeOverUncertain], [0, 0])
    })
  }

  it("what came before the first instance had its shards is stored too", async () => {
    const one = await start(0, {})
    const end = publishing()
    await until(() => owned(one) === SHARDS)
    const published = end()
    await on.user.flush()
    await distinct(published)
  })

  it("exactly-once stores none twice, and counts those that it may have missed", async () => {
    const one = await start(0, { guarantee: "exactly-once" })
    await until(() => owned(one) === SHARDS)
    const two = await start(1, { guarantee: "exactly-once" })
    await until(() => owned(one) + owned(two) === SHARDS && owned(two) > 0)
    const end = publishing()
    await until(() => one.sink.status().counters.stored > 100)
    await one.close()
    await until(() => owned(two) === SHARDS)
    const then = two.sink.status().counters.stored
    await until(() => two.sink.status().counters.stored > then + 100)
    const published = end()
    await on.user.flush()
    await until(() => two.sink.status().waiting === 0)
    const found = await numbers(two.sink.status().counters.stored)
    assert.equal(new Set(found).size, found.length)
    const { adopted, takeOverUncertain } = two.sink.status().counters
    assert.equal(adopted, 0)
    assert.ok(published - found.length <= takeOverUncertain, `${published - found.length} of ${takeOverUncertain}`)
  })
})
