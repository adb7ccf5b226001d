import type { Batch, ReadOptions, TopicPartition } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { Cluster } from "./cluster.ts"
import { protocolError } from "./errors.ts"
import { type Fetched, fetch } from "./fetch-request.ts"
import { listOffsets } from "./offsets.ts"
import { DEADLINE } from "./producer.ts"

const MAX_BYTES = 4 * 1024 * 1024
const MAX_WAIT = 500

/** A range of one partition, without a group. The broker is asked for more when what was given has been taken. */
export async function* readRange(cluster: Cluster, place: TopicPartition, options: ReadOptions): AsyncGenerator<Batch> {
  const { topic, partition } = place
  const what = `Reading ${topic}/${partition}`
  const committedOnly = (options.isolation ?? "read_committed") === "read_committed"
  const { maxBytes = MAX_BYTES, limits, marks } = options
  const fetching = { maxWait: MAX_WAIT, maxBytes, committedOnly, limits, marks }
  const until = options.until ?? (await endOf(cluster, place, committedOnly))
  let at = Math.max(options.from, 0)
  while (at < until && options.signal?.aborted !== true) {
    const { records, next } = await cluster.retry(what, DEADLINE, () => fetchOne(cluster, place, at, fetching))
    const last = records[records.length - 1]
    const wanted =
      last !== undefined && last.offset >= until ? records.filter(record => record.offset < until) : records
    at = next
    if (wanted.length > 0) yield { topic, partition, records: wanted }
  }
}

async function endOf(cluster: Cluster, { topic, partition }: TopicPartition, committedOnly: boolean): Promise<number> {
  const end = (await listOffsets(cluster, topic, "latest", committedOnly)).get(partition)
  if (end === undefined) throw new KafkaError("fatal", `Reading ${topic}/${partition}: there is no such partition`)
  return end
}

async function fetchOne(
  cluster: Cluster,
  { topic, partition }: TopicPartition,
  offset: number,
  options: Parameters<typeof fetch>[3],
): Promise<Fetched> {
  await cluster.learn([topic])
  const connection = await cluster.connection(cluster.leader(topic, partition))
  const [fetched] = await fetch(cluster.library, connection, [{ topic, partition, offset }], options)
  if (fetched === undefined) throw protocolError(3, `Reading ${topic}/${partition}`)
  if (fetched.code !== 0) throw protocolError(fetched.code, `Reading ${topic}/${partition} at ${offset}`)
  return fetched
}
