import { slotOf } from "../mapping/partition.ts"
import { PlainForm } from "../spool/plain-form.ts"
import { codecHeader } from "./spooled-message.ts"

/**
 * Subjects of one generation. With what the routes make of it each takes some 2 KiB: where there are more subjects than both generations
 * hold, all of that is garbage that has become old (see mapping/routes.ts).
 */
const MOST = 10_000

/** Of one subject. */
interface Known {
  readonly shard: number
  /** Null where that codec comes for the first time: many subjects come once. */
  form: PlainForm | null
  /** Publishers of a subject use one codec: of others than the last one nothing is kept. */
  encoding: string
}

/** Forms of plain messages, by subject (SINK-1: the subject decides the shard). */
export class PlainForms {
  private readonly shards: number
  /** Two generations: entries never leave one by one. */
  private young = new Map<string, Known>()
  private old = new Map<string, Known>()

  constructor(shards: number) {
    this.shards = shards
  }

  /** Its shard, or its form where there is one. */
  of(subject: string, encoding: string): Known {
    const known = this.young.get(subject) ?? this.find(subject)
    if (known.encoding !== encoding) {
      known.encoding = encoding
      known.form = null
    } else known.form ??= new PlainForm(subject, known.shard, codecHeader(encoding))
    return known
  }

  private find(subject: string): Known {
    const shard = (): number => slotOf(Buffer.from(subject), this.shards)
    const known = this.old.get(subject) ?? { shard: shard(), form: null, encoding: "" }
    if (this.young.size >= MOST) {
      this.old = this.young
      this.young = new Map()
    }
    this.young.set(subject, known)
    return known
  }
}
