import type { KafkaDriver } from "../../bridge-kafka/driver.ts"
import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import type { Fabric } from "../../index.ts"
import { overTcp } from "../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { kafkaOrSkip, uniqueName } from "../support/kafka.ts"

/** What a test with Kafka begins with: new for each, but for the broker. */
export class OnKafka {
  bootstrap = ""
  drivers: readonly KafkaDriver[] = []
  /** Nodes of one fabric, linked with each other: of somebody who publishes and subscribes, and where bridges run. */
  user!: Fabric
  hosts: readonly Fabric[] = []
  /** Names that no other test has. */
  bridge = ""
  topic = ""

  get driver(): KafkaDriver {
    return this.drivers[0]
  }
}

/** Call it in a `describe`: it is skipped where there is no broker, and all is closed after each test. */
export function onKafka({ hosts = 1, drivers = 1 } = {}): OnKafka {
  const on = new OnKafka()
  before(async function () {
    on.bootstrap = (await kafkaOrSkip(this)).bootstrap
  })
  closesAfterEach()
  beforeEach(async () => {
    on.drivers = Array.from({ length: drivers }, () => platformatic({ "bootstrap.servers": on.bootstrap }))
    for (const driver of on.drivers) later(() => driver.close())
    ;[on.user, ...on.hosts] = await overTcp(hosts + 1)
    on.bridge = uniqueName("bridge")
    on.topic = uniqueName("orders")
  })
  return on
}
