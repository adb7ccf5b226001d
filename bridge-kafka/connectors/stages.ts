import { Codecs } from "../../core/codec.ts"
import type { FabricToKafka } from "../config/bridge-config.ts"
import type { Converter } from "../converters/converter.ts"
import { findConverter } from "../converters/converters.ts"
import type { RecordStage } from "../sink/mapper.ts"
import { createRecordStage } from "../sink/record-stage.ts"
import { TransformChain } from "../transforms/chain.ts"
import type { ConnectorHost } from "./connector.ts"

/** Transforms and converters of one connector. */
export interface Conversion {
  readonly transforms: TransformChain
  /** Null = bytes, which pass as they are. */
  readonly key: Converter | null
  readonly value: Converter | null
  close(): void
}

/** Rejects with ERR_CONFIG, ERR_MISSING_PACKAGE. */
export async function openConversion(
  { folder, codecs }: Pick<ConnectorHost, "folder" | "codecs">,
  config: Pick<FabricToKafka, "transforms" | "keyConverter" | "valueConverter">,
): Promise<Conversion> {
  const open = async ({ type, settings }: FabricToKafka["keyConverter"], isKey: boolean): Promise<Converter | null> =>
    type === "bytes" ? null : findConverter(type).create(settings, { isKey, codecs: new Codecs(codecs) })
  const transforms = await TransformChain.create(config.transforms, { folder })
  const key = await open(config.keyConverter, true)
  const value = await open(config.valueConverter, false)
  const close = (): void => {
    key?.close()
    value?.close()
  }
  return { transforms, key, value, close }
}

/** What a sink does with its records after the routes; none where bytes pass as they are. */
export async function sinkStages(conversion: Conversion, codecs: ConnectorHost["codecs"]): Promise<RecordStage[]> {
  const { transforms, key, value } = conversion
  const stage = await createRecordStage({
    transforms,
    keyConverter: key,
    valueConverter: value,
    codecs: new Codecs(codecs),
  })
  return stage === null ? [] : [stage]
}
