import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { brokerToTorment, type KafkaBroker, uniqueName } from "../support/kafka.ts"
import { LONG_RUN } from "../support/random.ts"
import { pass, until } from "../support/wait.ts"
import {
  acknowledgedBy,
  BridgeProcess,
  compare,
  numberOf,
  PublisherProcess,
  placeOf,
  sinkFile,
  sumOf,
} from "./fault-rig.ts"
import { readAll } from "./sink-rig.ts"

/** Buffers of 11 MiB in all, and what a heap takes to work with as many (bytes). */
const MEMORY = 28 * 1024 * 1024

/** Room for one more is not there when the disk is full (bytes). */
const SEGMENT = 512 * 1024

/** Everything that waits for the broker gives up within it (milliseconds). */
const PATIENCE = 1_000

const IMPATIENT = {
  kafka: { "request.timeout.ms": String(PATIENCE), "socket.connection.setup.timeout.ms": String(PATIENCE) },
  out: {
    "producer.override.delivery.timeout.ms": PATIENCE,
    "producer.override.transaction.timeout.ms": PATIENCE,
  },
} as const

describe("faults: a broker that stands still or dies, and a full disk", function () {
  // The watchdog is for what hangs: a machine that others load takes four times as long.
  this.timeout(LONG_RUN ? 400_000 : 150_000)
  let broker: KafkaBroker
  let driver: KafkaDriver

  before(async function () {
    broker = await brokerToTorment(this)
    driver = platformatic({ "bootstrap.servers": broker.bootstrap })
  })

  after(() => driver?.close())

  // Before the others are closed: some of them wait for it.
  afterEach(() => broker?.mend())
  closesAfterEach()

  const outages = {
    "stands still for longer than every timeout": async (): Promise<void> => {
      await pass(2.5 * PATIENCE)
      broker.thaw()
    },
    "is killed and comes back": async (): Promise<void> => {
      await broker.restart("SIGKILL")
    },
  }
  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    for (const [what, comesBack] of Object.entries(outages)) {
      // Of the four one of each kind is enough for every day.
      if (!LONG_RUN && what.startsWith("stands") !== (guarantee === "exactly-once")) continue
      it(`${guarantee}: what was acknowledged while the broker ${what} arrives, in order, memory bounded`, async () => {
        const [node] = await overTcp(1)
        const place = placeOf(node)
        const bridge = uniqueName("bridge")
        const topic = uniqueName("orders")
        const stands = what.startsWith("stands")
        const count = LONG_RUN ? 400_000 : stands ? 40_000 : 16_000
        const size = 1_024
        const config = sinkFile({
          bridge,
          bootstrap: broker.bootstrap,
          topic,
          kafka: IMPATIENT.kafka,
          out: { ...IMPATIENT.out, guarantee, subjects: "orders.>,plain.>", "buffer.memory.bytes": "2MiB" },
          spool: { "max.bytes": "1GiB", "tail.bytes": "1MiB", "buffer.bytes": "8MiB" },
          // And the way back.
          more: [
            {
              name: "in",
              config: {
                "connector.class": "KafkaToFabric",
                topics: topic,
                "subject.prefix": "back",
                start: "committed-or-earliest",
                "errors.retry.delay.max.ms": 300,
              },
            },
          ],
        })
        const returned = new Set<string>()
        await node.subscribe("back.>", ({ subject, data }) => void returned.add(`${subject} ${Number(data)}`)).ready
        const out = await BridgeProcess.start({ ...place, config }).ready()
        const [durable, plain] = await Promise.all([
          PublisherProcess.start({ ...place, bridge }).ready(),
          PublisherProcess.start({ ...place, bridge, prefix: "plain", size, subjects: 7 }).ready(),
        ])
        await durable.flow()
        // Past all that is allocated once.
        await plain.plain(8_000)
        await out.comesTo(one => one.counters.stored >= 8_000)
        const rss = await out.memory()
        if (stands) broker.freeze()
        else await broker.kill()
        const taken = (least: number) => out.comesTo(one => one.counters.received + one.counters.full >= least)
        // The disk, too, has its pace; what comes faster than its buffer takes is refused, and counted.
        for (let sent = 0; sent < count; ) {
          await plain.plain(4_000)
          sent += 4_000
          await taken(8_000 + sent)
        }
        const during = await out.comesTo(one => one.state === "degraded")
        assert.ok(during.waiting > count / 2, `${during.waiting} wait`)
        const report = await out.report()
        const spooled = sumOf(report, "heddle_bridge_spool_bytes")
        assert.ok(spooled > (count / 2) * size, `${spooled} bytes are on the disk`)
        const more = (await out.memory()) - rss
        assert.ok(more < MEMORY, `${more} bytes more of memory for ${spooled} on the disk`)
        await comesBack()
        await durable.stop()
        const acknowledged = acknowledgedBy(await durable.settled())
        const after = await out.comesTo(one => one.waiting === 0 && one.state === "running")
        const { received, full, missed } = after.counters
        assert.equal(received + full, 8_000 + count)
        assert.equal(missed, 0)
        const records = await readAll(driver, topic, acknowledged.length + received)
        const own = (prefix: string) => records.filter(one => one.key?.toString().startsWith(prefix))
        const promises = { once: guarantee === "exactly-once", inOrder: true }
        compare(own("orders"), acknowledged, promises)
        // The lossy kind: all that the bridge has taken.
        compare(own("plain"), [], promises)
        assert.equal(new Set(own("plain").map(numberOf)).size, received)
        await until(() => returned.size === acknowledged.length + received)
      })
    }
  }

  /** A file system of some megabytes; null where this user may not mount one. */
  function smallDisk(megabytes: number): string | null {
    const folder = fs.mkdtempSync(path.join(temporaryFolder(), "disk-"))
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "none", folder], { stdio: "ignore" })
    } catch {
      return null
    }
    later(() => execFileSync("umount", ["-l", folder]))
    return folder
  }

  for (const full of ["block", "drop-new", "drop-oldest"] as const) {
    it(`disk full, ${full}: goes on when there is room, and knows what is missing`, async function () {
      const disk = smallDisk(4)
      if (disk === null) this.skip()
      const [node] = await overTcp(1)
      const place = placeOf(node)
      const bridge = uniqueName("bridge")
      const topic = uniqueName("orders")
      const config = sinkFile({
        bridge,
        bootstrap: broker.bootstrap,
        topic,
        kafka: IMPATIENT.kafka,
        out: { ...IMPATIENT.out, subjects: "orders.>,plain.>", "buffer.memory.bytes": "1MiB" },
        // The disk is smaller than the spool may be.
        spool: { dir: disk, full, "max.bytes": "64MiB", "segment.bytes": SEGMENT, "buffer.bytes": "1MiB" },
      })
      const out = await BridgeProcess.start({ ...place, config }).ready()
      const durable = await PublisherProcess.start({ ...place, bridge, ack: "spooled", size: 512 }).ready()
      const plain = await PublisherProcess.start({ ...place, bridge, prefix: "plain", size: 512 }).ready()
      await durable.publish(100)
      await durable.settled()
      broker.freeze()
      await durable.flow()
      const count = 20_000
      await plain.plain(count)
      // What comes faster than the buffer takes is dropped too: that says nothing about the disk.
      const labels: Record<string, string> = full === "drop-oldest" ? { reason: "spool-oldest" } : {}
      const dropped = (): Promise<number> =>
        out.report().then(report => sumOf(report, "heddle_bridge_dropped_records_total", labels))
      const free = (): number => {
        const { bavail, bsize } = fs.statfsSync(disk)
        return bavail * bsize
      }
      while (free() >= SEGMENT || (await dropped()) === 0) await plain.plain(500)
      if (full !== "drop-oldest") assert.ok((await out.connector()).counters.full > 0)
      broker.thaw()
      await durable.stop()
      const report = await durable.settled()
      const { published } = await plain.report()
      assert.deepEqual(report.refused, {})
      assert.equal(acknowledgedBy(report).length, report.published)
      await out.comesTo(one => one.waiting === 0 && one.state === "running")
      // Work as before.
      await durable.publish(100)
      const last = await durable.settled()
      await out.comesTo(one => one.waiting === 0)
      const acknowledged = acknowledgedBy(last)
      const records = await readAll(driver, topic, acknowledged.length)
      const own = (prefix: string) => records.filter(one => one.key?.toString().startsWith(prefix))
      const after = await out.report()
      const lost = sumOf(after, "heddle_bridge_dropped_records_total", { reason: "spool-oldest" })
      const { counters } = await out.connector()
      if (full === "drop-oldest") {
        const here = new Set(own("orders").map(numberOf))
        assert.ok(acknowledged.filter(number => !here.has(number)).length <= lost)
        assert.ok(lost > 0)
      } else compare(own("orders"), acknowledged, { once: false, inOrder: true })
      // All that was published is stored, or counted.
      const stored = new Set(records.map(one => `${one.key?.toString()} ${numberOf(one)}`)).size
      const refused = counters.full + counters.missed
      assert.ok(stored + lost + refused >= published + acknowledged.length, `${stored} + ${lost} + ${refused}`)
      assert.equal(counters.unreadable, 0)
    })
  }
})
