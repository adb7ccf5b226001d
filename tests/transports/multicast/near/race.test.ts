import assert from "node:assert/strict"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { NearReader, type Place } from "../../../../transports/multicast/near/reader.ts"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { LONG_RUN, seeded } from "../../../support/random.ts"
import { describeNative } from "../../native/addon-fixtures.ts"
import { KEY } from "./fixtures.ts"
import { nap, numberOf } from "./words.ts"

/** Packets that shall come whole, and those that shall be found to be gone. */
const WHOLE = LONG_RUN ? 10_000_000 : 100_000
const GONE = 1_000

describeNative("Memory of a multicast sender in another thread", native => {
  closesAfterEach()

  for (const chunks of [2, 16]) {
    it(`gives whole packets only, while its ${chunks} chunks are written to again`, () =>
      seeded(async random => {
        const workerData = { chunks, seed: random.int(0, 2 ** 31) }
        const worker = new Worker(new URL("./publisher.js", import.meta.url), { workerData })
        const [offer] = (await once(worker, "message")) as [Place & { nonce: Uint8Array }]
        later(() => native.closeDescriptor(offer.descriptor))
        later(() => worker.terminate())
        const reader = new NearReader(native, { ...offer, nonce: Buffer.from(offer.nonce) }, KEY)
        later(() => reader.close())
        let whole = 0
        let gone = 0
        let last = 0
        while (whole < WHOLE || gone < GONE) {
          if (reader.available === 0) nap()
          for (let left = reader.available; left > 0; left--) {
            const packet = reader.take()
            if (packet === null) {
              gone++
              continue
            }
            const sequence = numberOf(packet)
            assert.ok(sequence > last, `${sequence} after ${last}`)
            last = sequence
            whole++
          }
        }
      }))
  }
})
