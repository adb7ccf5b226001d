import { checkTopic } from "../mapping/topic-name.ts"
import { RENAME_KEYS, Rename } from "./rename.ts"
import type { TransformClass } from "./transform.ts"

export const REGEX_ROUTER: TransformClass = {
  name: "RegexRouter",
  aliases: ["org.apache.kafka.connect.transforms.RegexRouter"],
  doc: "Changes the topic by a regular expression. A result that is no name of a topic is an error of the record.",
  keys: RENAME_KEYS,
  create: settings => {
    const rename = new Rename(settings)
    return {
      reads: [],
      topics: rename.reshape,
      apply: record => {
        const topic = rename.of(record.topic)
        return topic === record.topic ? record : { ...record, topic: checkTopic(topic) }
      },
    }
  },
}
