import type { Registries } from "../../../bridge-kafka/config/classes.ts"

/** Stand-ins for the real classes: configuration knows no more of one than this. */
export const REGISTRIES: Registries = {
  transforms: [
    {
      name: "MaskField$Value",
      aliases: ["org.apache.kafka.connect.transforms.MaskField$Value"],
      keys: [
        { name: "fields", type: "list", required: true, min: 1, doc: "Fields to mask." },
        { name: "replacement", type: "string", doc: "What stands there then." },
      ],
    },
    { name: "Filter", keys: [] },
  ],
  predicates: [
    {
      name: "TopicNameMatches",
      keys: [{ name: "pattern", type: "string", required: true, doc: "A regular expression." }],
    },
  ],
  converters: [
    { name: "bytes", aliases: ["org.apache.kafka.connect.converters.ByteArrayConverter"], keys: [] },
    {
      name: "avro",
      keys: [
        { name: "schema.registry.url", type: "list", required: true, doc: "Registries." },
        { name: "schema.registry.basic.auth.user.info", type: "password", doc: "name:password" },
      ],
    },
  ],
}
