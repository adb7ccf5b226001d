import type { KafkaHeader } from "../driver.ts"
import { CODEC, HeaderMaker, HOPS, ID, isKept, textOf } from "../mapping/headers.ts"
import { type Hop, Hops } from "../mapping/hops.ts"
import type { SpoolRecord } from "../spool/record-format.ts"

/** The headers that a record of a recorder's spool would have in Kafka (REC-2): it is kept as it came, without them. */
export class RecordedHeaders {
  private readonly spool: string
  private readonly made: HeaderMaker
  private readonly hops: Hops

  /** `spool`: id of the spool, which numbers what no publisher has numbered. Throws ERR_CONFIG. */
  constructor(hop: Hop, spool: string, maxHops: number) {
    this.spool = `spool:${spool}`
    this.made = new HeaderMaker(hop.bridge)
    this.hops = new Hops(hop, maxHops)
  }

  of({ headers, subject, id, origin, sequence, shard }: SpoolRecord): KafkaHeader[] {
    const own = id !== ""
    const made = headers.filter(([name]) => isKept(name) && name !== HOPS && !(own && name === ID))
    if (own) made.push([ID, Buffer.from(id)])
    const passed = textOf(headers, HOPS)
    // What was taken although it is a loop is given nevertheless; it goes no further with these.
    const hops = this.hops.add(passed)?.bytes ?? Buffer.from(passed ?? "")
    const publisher =
      origin === null
        ? { id: this.spool, sequence }
        : { id: origin.publisher, epoch: `${origin.epoch}.${shard}`, sequence: origin.number }
    this.made.append(made, Buffer.from(subject), textOf(headers, CODEC) ?? "bytes", hops, publisher)
    return made
  }
}
