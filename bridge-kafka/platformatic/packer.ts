import type { KafkaRecord, Packing, Places } from "../driver.ts"
import { BatchMemory } from "./batch-memory.ts"
import { Call } from "./call.ts"

/** Makes the calls of one producer. */
export class Packer {
  private readonly limit: number
  /** Not where no answer says that the bytes have gone. */
  private readonly reuses: boolean
  private readonly store: (call: Call) => Promise<void>
  private readonly memory = new BatchMemory()

  /** `limit`: bytes of a batch. */
  constructor(limit: number, reuses: boolean, store: (call: Call) => Promise<void>) {
    this.limit = limit
    this.reuses = reuses
    this.store = store
  }

  pack(): Packing {
    const call = new Call(this.limit, this.memory)
    return {
      get length() {
        return call.length
      },
      get full() {
        return call.full
      },
      add: record => call.add(record),
      addValue: (shape, source, from, to, timestamp, number) =>
        call.addValue(shape, source, from, to, timestamp, number),
      send: async (): Promise<Places> => {
        await this.store(call)
        if (this.reuses) call.release()
        return call
      },
    }
  }

  callOf(records: readonly KafkaRecord[]): Call {
    const call = new Call(this.limit, this.memory)
    for (let i = 0; i < records.length; i++) call.add(records[i])
    return call
  }
}
