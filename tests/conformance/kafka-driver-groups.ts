import assert from "node:assert/strict"
import type { Batch, Consumer, ConsumerOptions, KafkaDriver, TopicPartition } from "../../bridge-kafka/driver.ts"
import { later } from "../support/cleanup.ts"
import { uniqueName } from "../support/kafka.ts"
import { pass, until } from "../support/wait.ts"
import { isError, type NewDriver, newTopic, opened, record } from "./kafka-driver.ts"

const names = (places: readonly TopicPartition[]): number[] => places.map(({ partition }) => partition).sort()

/** A member, what it was given, and what was told about partitions. */
class Member {
  readonly consumer: Consumer
  readonly values: string[] = []
  readonly told: string[]
  committed = 0
  failure: unknown = null
  private readonly autoCommit: boolean

  private constructor(consumer: Consumer, told: string[], autoCommit: boolean) {
    this.consumer = consumer
    this.told = told
    this.autoCommit = autoCommit
    later(() => consumer.close())
    this.run().catch(error => {
      this.failure = error
    })
  }

  static async join(driver: KafkaDriver, options: ConsumerOptions, autoCommit = true): Promise<Member> {
    const told: string[] = []
    const consumer = await driver.consumer({
      ...options,
      assigned: places => {
        told.push(`assigned ${names(places)}`)
        options.assigned?.(places)
      },
      revoked: async places => {
        told.push(`revoked ${names(places)}`)
        await options.revoked?.(places)
      },
      lost: places => {
        told.push(`lost ${names(places)}`)
        options.lost?.(places)
      },
    })
    return new Member(consumer, told, autoCommit)
  }

  get partitions(): number[] {
    return names(this.consumer.assignment)
  }

  private async run(): Promise<void> {
    for await (const batch of this.consumer) {
      for (const { value } of batch.records) this.values.push(`${value}`)
      if (!this.autoCommit) continue
      await this.consumer.commit([behind(batch)])
      this.committed += batch.records.length
    }
  }
}

function behind({ topic, partition, records }: Batch): TopicPartition & { offset: number } {
  return { topic, partition, offset: records[records.length - 1].offset + 1 }
}

async function put(driver: KafkaDriver, topic: string, partition: number, values: readonly string[]): Promise<void> {
  const producer = await driver.producer()
  await producer.produce(values.map(value => record(topic, value, { partition })))
  await producer.close()
}

export function conformsWithGroups(make: NewDriver): void {
  for (const protocol of ["consumer", "classic"] as const) {
    describe(`groups by the ${protocol} protocol`, () => {
      async function setUp(partitions: number) {
        const driver = opened(make)
        const topic = await newTopic(driver, partitions)
        const options: ConsumerOptions = {
          group: uniqueName("group"),
          topics: [topic],
          protocol,
          start: "earliest",
          sessionTimeout: 3_000,
          maxWait: 100,
        }
        return { driver, topic, options }
      }

      it("read from the beginning, commit, and go on from there", async () => {
        const { driver, topic, options } = await setUp(2)
        await put(driver, topic, 0, ["a", "b"])
        await put(driver, topic, 1, ["c"])
        const first = await Member.join(driver, options)
        await until(() => first.committed === 3)
        assert.deepEqual(first.values.sort(), ["a", "b", "c"])
        assert.deepEqual(first.told, ["assigned 0,1"])
        await first.consumer.close()
        const offsets = await driver.groupOffsets(options.group, [topic])
        assert.deepEqual(offsets, [{ topic, partition: 0, offset: 2 }, { topic, partition: 1, offset: 1 }]) // biome-ignore format: pairs
        await put(driver, topic, 0, ["d"])
        const second = await Member.join(driver, options)
        await until(() => second.values.length > 0)
        assert.deepEqual(second.values, ["d"])
      })

      it("begin with what is new when told so, and commit nothing by themselves", async () => {
        const { driver, topic, options } = await setUp(1)
        await put(driver, topic, 0, ["old"])
        const member = await Member.join(driver, { ...options, start: "latest" }, false)
        await until(() => member.partitions.length === 1)
        await put(driver, topic, 0, ["new"])
        await until(() => member.values.length > 0)
        assert.deepEqual(member.values, ["new"])
        await member.consumer.close()
        assert.deepEqual(await driver.groupOffsets(options.group, [topic]), [])
      })

      it("share partitions: what is given up may be committed first, and nothing is read twice", async () => {
        const { driver, topic, options } = await setUp(4)
        for (const partition of [0, 1, 2, 3]) await put(driver, topic, partition, [`${partition}`])
        let committed = 0
        const first: Member = await Member.join(
          driver,
          {
            ...options,
            revoked: async places => {
              await first.consumer.commit(places.map(place => ({ ...place, offset: 1 })))
              committed += places.length
            },
          },
          false,
        )
        await until(() => first.values.length === 4)
        const second = await Member.join(driver, options)
        await until(() => first.partitions.length === 2 && second.partitions.length === 2)
        assert.deepEqual([...first.partitions, ...second.partitions].sort(), [0, 1, 2, 3])
        assert.equal(committed, 2)
        for (const partition of [0, 1, 2, 3]) await put(driver, topic, partition, [`${partition}+`])
        await until(() => first.values.length + second.values.length === 8)
        assert.deepEqual(
          second.values.sort(),
          second.partitions.map(partition => `${partition}+`),
        )
        const [foreign] = second.consumer.assignment
        await assert.rejects(first.consumer.commit([{ ...foreign, offset: 0 }]), isError("fenced"))
      })

      it("take over when a member leaves", async () => {
        const { driver, topic, options } = await setUp(2)
        const first = await Member.join(driver, options)
        const second = await Member.join(driver, options)
        await until(() => first.partitions.length === 1 && second.partitions.length === 1)
        await first.consumer.close()
        await until(() => second.partitions.length === 2)
        await put(driver, topic, 0, ["x"])
        await put(driver, topic, 1, ["y"])
        await until(() => second.values.length === 2)
        assert.equal(second.told.some(text => text.startsWith("lost")), false) // biome-ignore format: short
      })

      it("pause and resume a partition while others go on", async () => {
        const { driver, topic, options } = await setUp(2)
        const member = await Member.join(driver, options)
        await until(() => member.partitions.length === 2)
        member.consumer.pause([{ topic, partition: 0 }])
        await put(driver, topic, 0, ["held"])
        await put(driver, topic, 1, ["free"])
        await until(() => member.values.length > 0)
        await pass(150)
        assert.deepEqual(member.values, ["free"])
        member.consumer.resume([{ topic, partition: 0 }])
        await until(() => member.values.length === 2)
      })

      it("read what is committed only, and the end of nothing else", async () => {
        const { driver, topic, options } = await setUp(1)
        const member = await Member.join(driver, options)
        const producer = await driver.producer({ transactionalId: uniqueName("id") })
        await producer.transact([record(topic, "t")])
        await put(driver, topic, 0, ["p"])
        await until(() => member.values.length === 2)
        assert.deepEqual(member.values, ["t", "p"])
      })
    })
  }

  it("offsets of an idle group are set, read and deleted", async () => {
    const driver = opened(make)
    const topic = await newTopic(driver, 2)
    const group = uniqueName("group")
    assert.deepEqual(await driver.groupOffsets(group, [topic]), [])
    await driver.setGroupOffsets(group, [{ topic, partition: 1, offset: 5 }])
    assert.deepEqual(await driver.groupOffsets(group, [topic]), [{ topic, partition: 1, offset: 5 }])
    await driver.deleteGroup(group)
    await driver.deleteGroup(group)
    assert.deepEqual(await driver.groupOffsets(group, [topic]), [])
  })
}
