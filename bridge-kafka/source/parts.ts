import { deadLetterHeaders } from "../dead-letter.ts"
import { publishNotice } from "../dead-letter-notice.ts"
import type { KafkaDriver, StoredRecord } from "../driver.ts"
import type { Failure } from "../failure.ts"
import type { ToFabric } from "../mapping/to-fabric.ts"
import { subjectIn } from "../replay/record-headers.ts"
import { AckedDelivery } from "./acked.ts"
import { DeadLetters } from "./dead-letters.ts"
import { type Delivery, type DeliveryHost, Failures } from "./delivery.ts"
import { Pipeline } from "./pipeline.ts"
import { PublishedDelivery } from "./published.ts"
import type { SourceParts, SourceSettings } from "./settings.ts"

/** The parts of a connector that do the work, as its settings want them. */
export function deliveryOf(
  host: DeliveryHost,
  mapping: ToFabric,
  settings: SourceSettings,
  parts: SourceParts,
): { letters: DeadLetters; delivery: Delivery } {
  const { fabric, driver, transforms = null, keyConverter = null, valueConverter = null } = parts
  const { counters } = host
  const retry = { min: settings.errorsRetryDelayMinMs, max: settings.errorsRetryDelayMaxMs }
  const prefix = settings.subjectPrefix
  const pipeline = new Pipeline({ mapping, prefix, transforms, keyConverter, valueConverter, counters })
  const letters = lettersOf(driver, settings, retry, fabric)
  const failures = new Failures(host, settings, letters)
  if (settings.delivery === "published") {
    return { letters, delivery: new PublishedDelivery({ fabric, host, pipeline, failures, retry }) }
  }
  const delivery = new AckedDelivery({
    fabric,
    host,
    pipeline,
    failures,
    order: settings.order,
    perKey: settings.maxInFlightPerKey,
    inFlight: settings.maxInFlight,
    ackTimeout: settings.ackTimeoutMs,
    maxDeliveries: settings.maxDeliveries,
    retry,
  })
  return { letters, delivery }
}

function lettersOf(
  driver: KafkaDriver,
  settings: SourceSettings,
  retry: { min: number; max: number },
  fabric: SourceParts["fabric"],
): DeadLetters {
  const { name, errorsDeadletterqueueSubject: subject } = settings
  const notice = (record: StoredRecord, failure: Failure): void => {
    if (subject === null) return
    const { partition: task, offset } = record
    const named = { ...record, subject: subjectIn(record.headers) ?? "" }
    publishNotice(fabric, subject, record, deadLetterHeaders(named, failure, { connector: name, task, offset }))
  }
  return new DeadLetters({
    driver,
    connector: name,
    topic: settings.errorsDeadletterqueueTopicName,
    replicationFactor: settings.errorsDeadletterqueueTopicReplicationFactor,
    contextHeaders: settings.errorsDeadletterqueueContextHeadersEnable,
    retry,
    notice,
  })
}
