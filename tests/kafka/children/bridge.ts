/** A whole bridge in a process of its own, that kills itself at a point: the seams are the disk, the driver and the fabric. */
import { once } from "node:events"
import type { Consumer, KafkaDriver, Packing, Producer, ProducerOptions } from "../../../bridge-kafka/driver.ts"
import { bridgeConfig, platformatic, startBridge } from "../../../bridge-kafka/index.ts"
import { SYSTEM_DISK } from "../../../bridge-kafka/spool/disk.ts"
import { Spool } from "../../../bridge-kafka/spool/spool.ts"
import type { BridgeLife, BridgeReport, Point } from "./lives.ts"
import { answer, joinAt, say } from "./talk.ts"

const life = JSON.parse(process.argv[2]) as BridgeLife
let left = life.times

/** Milliseconds in which a batch is on its way to Kafka and back. */
const ON_ITS_WAY = 12

function at(point: Point): void {
  if (point === life.point && --left <= 0) process.kill(process.pid, "SIGKILL")
}

function throughDisk(): void {
  const { write, sync } = SYSTEM_DISK
  SYSTEM_DISK.write = async (...args) => {
    at("before-write")
    await write.apply(SYSTEM_DISK, args)
    at("after-write")
  }
  SYSTEM_DISK.sync = async file => {
    at("before-sync")
    await sync(file)
    at("after-sync")
  }
  const { release } = Spool.prototype
  Spool.prototype.release = function (below) {
    at("before-release")
    release.call(this, below)
  }
}

function throughProducer(producer: Producer): Producer {
  const around =
    <T extends unknown[], R>(send: (...args: T) => Promise<R>) =>
    async (...args: T): Promise<R> => {
      at("before-produce")
      if (life.point === "within-produce") setTimeout(() => at("within-produce"), Math.random() * ON_ITS_WAY)
      const result = await send(...args)
      at("after-produce")
      return result
    }
  const pack = (): Packing => {
    const packing = (producer.pack as () => Packing)()
    return {
      get length() {
        return packing.length
      },
      get full() {
        return packing.full
      },
      add: record => packing.add(record),
      addValue: (...args) => packing.addValue(...args),
      send: around(() => packing.send()),
    }
  }
  return {
    produce: around(records => producer.produce(records)),
    transact: around(records => producer.transact(records)),
    ...(producer.pack === undefined ? {} : { pack }),
    close: () => producer.close(),
  }
}

function throughConsumer(consumer: Consumer): Consumer {
  const commit = consumer.commit.bind(consumer)
  consumer.commit = async offsets => {
    at("before-commit")
    await commit(offsets)
    at("after-commit")
  }
  return consumer
}

function throughDriver(driver: KafkaDriver): KafkaDriver {
  const { producer, consumer, read } = driver
  driver.producer = async (options?: ProducerOptions) => {
    const made = await producer.call(driver, options)
    if (options?.transactionalId !== undefined) at("after-fence")
    return throughProducer(made)
  }
  driver.consumer = async options => throughConsumer(await consumer.call(driver, options))
  driver.read = async function* (partition, options) {
    for await (const batch of read.call(driver, partition, options)) {
      if (partition.topic.endsWith(".ckpt")) at("within-checkpoint")
      yield batch
    }
  }
  return driver
}

if (life.held) await once(process.stdin, "data")
const config = bridgeConfig(life.config)
const driver = platformatic(config.kafka ?? {})
const fabric = await joinAt("bridge", life)
if (life.point !== "") {
  throughDisk()
  throughDriver(driver)
  const { serve, publish, push } = fabric
  fabric.serve = (subject, handler, options) =>
    serve.call(
      fabric,
      subject,
      async message => {
        const reply = await handler(message)
        if (subject.includes(".store.")) at("before-reply")
        return reply
      },
      options,
    )
  fabric.publish = (subject, ...rest) => {
    const result = publish.call(fabric, subject, ...rest)
    if (!subject.startsWith("$")) at("after-hand-over")
    return result
  }
  fabric.push = async (...args) => {
    const task = await push.apply(fabric, args)
    void task.done().then(
      () => at("after-acknowledgement"),
      () => {},
    )
    return task
  }
}
const bridge = await startBridge(config, { fabric, driver })
const log: string[] = []
bridge.events.on("log", ({ text }) => log.push(text))

answer({
  status: (): BridgeReport => {
    const { connectors } = bridge.status()
    return { connectors, log, samples: bridge.metrics.samples() }
  },
  /** Bytes. A collection takes as long as hundreds of messages: only who asks for it has it. */
  memory: (): number => {
    globalThis.gc?.()
    return process.memoryUsage.rss()
  },
  pause: name => bridge.pause(name),
  resume: name => bridge.resume(name),
  restart: name => bridge.restart(name),
})
say("ready")
