import assert from "node:assert/strict"
import type { Cluster } from "../../../bridge-kafka/platformatic/cluster.ts"
import { GroupConsumer } from "../../../bridge-kafka/platformatic/consumer.ts"
import { loadLibrary } from "../../../bridge-kafka/platformatic/load.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"

const FENCED_MEMBER_EPOCH = 110
const TOPIC = { leaders: [1, 1], id: "id-t" }

/** A coordinator that says in heartbeats what the test says, and tells of offsets when the test lets it. */
class FakeCoordinator {
  /** Partitions of the only topic that the member is to have; null = it is told that it is none any more, once. */
  target: number[] | null = []
  heartbeats = 0
  asksForOffsets = 0
  letOffsetsThrough = (): void => {}
  private readonly offsets = new Promise<void>(resolve => {
    this.letOffsetsThrough = resolve
  })

  get cluster(): Cluster {
    return {
      retry: (_what: string, _deadline: number, attempt: () => Promise<unknown>) => attempt(),
      coordinator: async () => 1,
      describe: async () => new Map([["t", TOPIC]]),
      topic: () => undefined,
      leader: () => 1,
      call: async () => {
        const partitions = [0, 1].map(partitionIndex => ({ partitionIndex, offset: 0n, errorCode: 0 }))
        return { topics: [{ name: "t", partitions }] }
      },
      callCoordinator: (_kind: string, _group: string, name: string) =>
        name === "OffsetFetch" ? this.tellOffsets() : this.heartbeat(),
      backoff: () => 1,
      pause: () => new Promise(() => {}),
      forget: () => {},
      close: async () => {},
    } as unknown as Cluster
  }

  private async heartbeat() {
    this.heartbeats++
    const { target } = this
    if (target === null) {
      this.target = []
      throw new (await loadLibrary()).ProtocolError(FENCED_MEMBER_EPOCH)
    }
    const topicPartitions = target.length === 0 ? [] : [{ topicId: TOPIC.id, partitions: target }]
    return { memberEpoch: 1, heartbeatIntervalMs: 5, assignment: { topicPartitions } }
  }

  private async tellOffsets() {
    this.asksForOffsets++
    await this.offsets
    return { groups: [] }
  }
}

describe("A member of a group that loses what it is just being given", () => {
  closesAfterEach()

  for (const losing of ["is told that it is no member any more", "leaves"] as const) {
    it(`${losing}: nobody hears that it has it`, async () => {
      const coordinator = new FakeCoordinator()
      coordinator.target = [0, 1]
      const told: string[] = []
      const consumer = await GroupConsumer.join(async () => coordinator.cluster, {
        group: "g",
        topics: ["t"],
        protocol: "consumer",
        assigned: partitions => told.push(`assigned ${partitions.length}`),
        lost: partitions => told.push(`lost ${partitions.length}`),
      })
      later(() => consumer.close())
      await until(() => coordinator.asksForOffsets === 1)
      if (losing === "leaves") await consumer.close()
      else {
        coordinator.target = null
        // Fenced, then one of the group that has nothing.
        const { heartbeats } = coordinator
        await until(() => coordinator.heartbeats > heartbeats + 3)
      }
      coordinator.letOffsetsThrough()
      await turns(5)
      assert.deepEqual(told, [])
      assert.deepEqual(consumer.assignment, [])
    })
  }

  it("has it when it is given it again", async () => {
    const coordinator = new FakeCoordinator()
    coordinator.target = [0, 1]
    const told: string[] = []
    const consumer = await GroupConsumer.join(async () => coordinator.cluster, {
      group: "g",
      topics: ["t"],
      protocol: "consumer",
      assigned: partitions => told.push(`assigned ${partitions.map(({ partition }) => partition)}`),
    })
    later(() => consumer.close())
    await until(() => coordinator.asksForOffsets === 1)
    coordinator.target = null
    await until(() => coordinator.target !== null)
    coordinator.target = [1]
    coordinator.letOffsetsThrough()
    await until(() => told.length > 0)
    assert.deepEqual(told, ["assigned 1"])
  })
})
