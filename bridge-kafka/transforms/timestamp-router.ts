import type { Shape } from "../mapping/shape.ts"
import { ANY } from "../mapping/shape.ts"
import { checkTopic } from "../mapping/topic-name.ts"
import { DateFormat } from "./date-format.ts"
import type { TransformClass } from "./transform.ts"

const PLACES = /(\$\{topic\}|\$\{timestamp\})/

export const TIMESTAMP_ROUTER: TransformClass = {
  name: "TimestampRouter",
  aliases: ["org.apache.kafka.connect.transforms.TimestampRouter"],
  doc: "Makes the topic of the topic and the record's time (UTC), such as one topic a day. A result that is no name of a topic is an error of the record.",
  keys: [
    {
      name: "topic.format",
      type: "string",
      default: "${topic}-${timestamp}",
      doc: "The new name: `${topic}` is the old one, `${timestamp}` the time.",
    },
    {
      name: "timestamp.format",
      type: "string",
      default: "yyyyMMdd",
      doc: "How the time is written: `y M d H m s S` of Java's SimpleDateFormat, and text in single quotes.",
      check: value => {
        try {
          new DateFormat(String(value))
          return null
        } catch (error) {
          return `cannot be: ${(error as Error).message}`
        }
      },
    },
  ],
  create: settings => {
    const parts = String(settings.topicFormat).split(PLACES)
    const format = new DateFormat(String(settings.timestampFormat))
    const shape = (topic: Shape): Shape =>
      parts.flatMap(part => (part === "${topic}" ? topic : part === "${timestamp}" ? [ANY] : [part]))
    return {
      reads: [],
      topics: shapes => shapes.map(shape),
      apply: record => {
        let topic = ""
        for (const part of parts)
          topic += part === "${topic}" ? record.topic : part === "${timestamp}" ? format.format(record.timestamp) : part
        return { ...record, topic: checkTopic(topic) }
      },
    }
  },
}
