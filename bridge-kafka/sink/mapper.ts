import { Codecs } from "../../core/codec.ts"
import { FromFabric, type FromFabricOptions, type Received } from "../mapping/from-fabric.ts"
import type { BridgeRecord } from "../record.ts"
import type { RecordShape } from "../record-shape.ts"
import type { PlainForm } from "../spool/plain-form.ts"
import type { SpoolRecord } from "../spool/record-format.ts"
import { SpooledMessage } from "./spooled-message.ts"

/** Transforms and converters, one after the other: null = dropped, a list = several. A promise when a schema must be fetched. */
export type RecordStage = (record: BridgeRecord) => StageResult | Promise<StageResult>
export type StageResult = BridgeRecord | null | readonly BridgeRecord[]

/** Makes records for Kafka of what lies in the journal, each time that it is to be sent. */
export interface Mapper {
  /**
   * Appends to `into`; nothing when no route wants the message. A promise: come again with the same record when it is resolved.
   * Throws, and the promise rejects with, a KafkaError: "poison" when the record is at fault.
   */
  map(record: SpoolRecord, into: BridgeRecord[]): Promise<void> | undefined
  /** What `map` would make of each message of that form, whatever its value; null = ask it for each. Default: for each. */
  shapeOf?(form: PlainForm): RecordShape | null
}

/** Results of stages that had to wait, until they are asked for: one batch's at most. */
const MOST_READY = 4_096

/** Routes, then transforms and converters. */
export class RouteMapper implements Mapper {
  readonly routing: FromFabric
  private readonly plain: { at: number; publisher: { id: string; sequence: number }; id: string | undefined }
  private readonly message: SpooledMessage
  private readonly stages: readonly RecordStage[]
  private readonly routed: BridgeRecord[] = []
  private readonly ready = new Map<number, readonly BridgeRecord[]>()

  /** `spool`: id of the journal, who numbers messages that are not numbered. `codecs`: those of the fabric, for keys from payloads. */
  constructor(options: FromFabricOptions, spool: string, stages: readonly RecordStage[] = [], codecs = new Codecs()) {
    this.routing = new FromFabric({ ...options, shareHeaders: stages.length === 0 })
    this.plain = { at: 0, publisher: { id: spool, sequence: 0 }, id: undefined }
    this.stages = stages
    this.message = new SpooledMessage(codecs)
  }

  map(record: SpoolRecord, into: BridgeRecord[]): Promise<void> | undefined {
    const received = this.received(record)
    const { sequence } = record
    if (this.stages.length === 0) {
      this.routing.map(this.message.of(record), received, into)
      return undefined
    }
    const ready = this.ready.get(sequence)
    if (ready !== undefined) {
      this.ready.delete(sequence)
      for (const one of ready) into.push(one)
      return undefined
    }
    this.routed.length = 0
    this.routing.map(this.message.of(record), received, this.routed)
    return this.stage(sequence, this.routed, into)
  }

  shapeOf(form: PlainForm): RecordShape | null {
    if (form.shape === undefined) form.shape = this.findShape(form)
    return form.shape
  }

  private findShape({ subject, headers }: PlainForm): RecordShape | null {
    if (this.stages.length > 0) return null
    try {
      return this.routing.shapeOf(subject, headers[0][1].toString("latin1"), this.plain.publisher.id)
    } catch {
      // A subject of which no topic can be made: `map` says so of each of its messages.
      return null
    }
  }

  /** For messages without a durable publisher one object that is filled again and again. */
  private received({ origin, shard, sequence, id, timestamp }: SpoolRecord): Received {
    if (origin !== null) {
      // Numbers of one epoch begin anew in each shard.
      const publisher = { id: origin.publisher, epoch: `${origin.epoch}.${shard}`, sequence: origin.number }
      return { at: timestamp, publisher, id: id === "" ? undefined : id }
    }
    this.plain.at = timestamp
    this.plain.publisher.sequence = sequence
    this.plain.id = id === "" ? undefined : id
    return this.plain
  }

  private stage(sequence: number, routed: readonly BridgeRecord[], into: BridgeRecord[]): Promise<void> | undefined {
    const before = into.length
    for (let i = 0; i < routed.length; i++) {
      const late = this.run(routed[i], 0, into)
      if (late === undefined) continue
      // Out of the ordinary: all of it again, with time.
      into.length = before
      const all = [...routed]
      return this.runSlowly(all).then(done => {
        if (this.ready.size >= MOST_READY) this.ready.clear()
        this.ready.set(sequence, done)
      })
    }
    return undefined
  }

  /** Undefined when all stages were done at once. */
  private run(record: BridgeRecord, from: number, into: BridgeRecord[]): true | undefined {
    let current = record
    for (let i = from; i < this.stages.length; i++) {
      const result = this.stages[i](current)
      if (result === null) return undefined
      if (isPromise(result)) {
        // Its outcome is waited for by whoever runs it again.
        result.catch(() => {})
        return true
      }
      if (Array.isArray(result)) {
        for (const one of result) if (this.run(one, i + 1, into) === true) return true
        return undefined
      }
      current = result as BridgeRecord
    }
    into.push(current)
    return undefined
  }

  private async runSlowly(records: readonly BridgeRecord[]): Promise<BridgeRecord[]> {
    let current = [...records]
    for (const stage of this.stages) {
      const next: BridgeRecord[] = []
      for (const record of current) {
        const result = await stage(record)
        if (result === null) continue
        if (Array.isArray(result)) next.push(...result)
        else next.push(result as BridgeRecord)
      }
      current = next
    }
    return current
  }
}

function isPromise(value: StageResult | Promise<StageResult>): value is Promise<StageResult> {
  return typeof (value as { then?: unknown }).then === "function"
}
