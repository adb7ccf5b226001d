import type { FabricToKafka, KafkaToFabric } from "../config/bridge-config.ts"
import type { SinkFlow, SourceFlow } from "../mapping/loops.ts"
import { Routes } from "../mapping/routes.ts"
import { Template } from "../mapping/template.ts"
import type { TransformChain } from "../transforms/chain.ts"

/** What a sink can make of subjects, for the check of loops. Throws ERR_CONFIG. */
export function sinkFlow(config: FabricToKafka, transforms: TransformChain): SinkFlow {
  const { name: connector, routes, topicPrefix, topicMax } = config
  return {
    connector,
    routes: new Routes(routes, { topicPrefix, maxTopics: topicMax, cache: 1 }).all,
    topics: shapes => transforms.topics(shapes),
    subjects: shapes => transforms.subjects(shapes),
  }
}

export function sourceFlow(config: KafkaToFabric, transforms: TransformChain): SourceFlow {
  const { name: connector, topics, subject, subjectPrefix } = config
  const variables = ["header", "key", "topic", "topic.unescaped", "partition"] as const
  const whole = subjectPrefix === "" ? subject : `${subjectPrefix}.${subject}`
  return {
    connector,
    topics,
    subject: new Template(whole, { use: "subject", variables }),
    subjects: shapes => transforms.subjects(shapes),
  }
}
