import { platformatic } from "../../bridge-kafka/platformatic/index.ts"
import { conformsAsKafkaDriver } from "../conformance/kafka-driver.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { kafkaOrSkip, type SharedKafka } from "../support/kafka.ts"

describe("KafkaDriver: platformatic", () => {
  let kafka: SharedKafka
  before(async function () {
    kafka = await kafkaOrSkip(this)
  })
  closesAfterEach()

  conformsAsKafkaDriver(() => platformatic({ "bootstrap.servers": kafka.bootstrap }))
})
