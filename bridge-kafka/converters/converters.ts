import { avroConverter } from "./avro.ts"
import { bytesConverter } from "./bytes.ts"
import type { ConverterClass } from "./converter.ts"
import { wrongSetting } from "./failures.ts"
import { jsonConverter } from "./json.ts"
import { jsonSchemaConverter } from "./json-schema.ts"
import { protobufConverter } from "./protobuf.ts"
import { stringConverter } from "./string.ts"

/** All converters. None loads its library before it is created. */
export const CONVERTERS: readonly ConverterClass[] = [
  bytesConverter,
  stringConverter,
  jsonConverter,
  jsonSchemaConverter,
  avroConverter,
  protobufConverter,
]

/** By the short name, or by the class name that people of Connect write. Throws ERR_CONFIG. */
export function findConverter(name: string): ConverterClass {
  const found = CONVERTERS.find(one => one.name === name || one.aliases.includes(name))
  if (found !== undefined) return found
  throw wrongSetting(
    `There is no converter ${JSON.stringify(name)}; there are ${CONVERTERS.map(one => one.name).join(", ")}`,
  )
}
