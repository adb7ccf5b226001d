import { Buffer } from "node:buffer"
import { HeddleError } from "../../core/errors.ts"
import { Counter, Gauge, Histogram, type Metric, type MetricType } from "./metric.ts"

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/

/** Between the values of a key; taken out of the values. */
const SEPARATOR = "\0"

/** What stands for the labels that found no room. */
export const OTHER = "other"

/** Sets of labels in one family: topics, partitions and error names come from outside, memory does not grow with them. */
const MOST_SERIES = 1_000

/** Prometheus keeps whole label values; a subject of a kilobyte helps nobody there. */
const LONGEST_VALUE = 128

export interface FamilyOptions<Name extends string> {
  readonly name: string
  /** One sentence, units included. */
  readonly help: string
  readonly labels?: readonly Name[]
  /** Sets of labels at most; more share one whose labels are all "other". Default 1,000. */
  readonly maxSeries?: number
}

type Labels<Name extends string> = Readonly<Record<Name, string | number>>

export interface Series<M extends Metric = Metric> {
  readonly values: readonly string[]
  readonly metric: M
}

/** All metrics of one name, by labels. */
export class Family<M extends Metric = Metric, Name extends string = string> {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  readonly labelNames: readonly Name[]
  private readonly make: () => M
  private readonly most: number
  private readonly members = new Map<string, Series<M>>()
  private overflow: Series<M> | null = null

  /** Throws EINVAL for names that Prometheus refuses. */
  constructor(type: MetricType, options: FamilyOptions<Name>, make: () => M) {
    this.type = type
    this.name = options.name
    this.help = options.help
    this.labelNames = options.labels ?? []
    this.make = make
    this.most = options.maxSeries ?? MOST_SERIES
    const reserved = type === "histogram" ? "le" : ""
    const bad = this.labelNames.find(label => !LABEL.test(label) || label === reserved)
    if (!NAME.test(this.name) || bad !== undefined) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: metric ${this.name}${bad === undefined ? "" : `, label ${bad}`}`,
      )
    }
    if (type === "counter" && !this.name.endsWith("_total")) {
      throw new HeddleError("EINVAL", `Invalid argument: metric ${this.name}: names of counters end in _total`)
    }
  }

  /** The handle for these labels: make it once and keep it. The same labels give the same handle. */
  with(labels: Labels<Name>): M {
    const values = this.valuesOf(labels)
    const key = values.join(SEPARATOR)
    const known = this.members.get(key)
    if (known !== undefined) return known.metric
    if (this.members.size >= this.most) {
      this.overflow ??= { values: values.map(() => OTHER), metric: this.make() }
      return this.overflow.metric
    }
    const metric = this.make()
    this.members.set(key, { values, metric })
    return metric
  }

  /** Forgets all series with these labels: of a connector that was removed, a partition that was given up. */
  remove(labels: Partial<Labels<Name>>): void {
    const wanted = this.labelNames.map(name => (labels[name] === undefined ? null : text(labels[name])))
    for (const [key, { values }] of this.members) {
      if (wanted.every((value, index) => value === null || value === values[index])) this.members.delete(key)
    }
  }

  *series(): Generator<Series<M>> {
    yield* this.members.values()
    if (this.overflow !== null) yield this.overflow
  }

  private valuesOf(labels: Labels<Name>): string[] {
    return this.labelNames.map(name => text(labels[name]))
  }
}

function text(value: string | number): string {
  // By way of bytes: half of a pair, also one that was cut here, has no UTF-8 and becomes U+FFFD.
  return Buffer.from(String(value).slice(0, LONGEST_VALUE).replaceAll(SEPARATOR, "")).toString()
}

export function counters<const Name extends string = never>(options: FamilyOptions<Name>): Family<Counter, Name> {
  return new Family("counter", options, () => new Counter())
}

export function gauges<const Name extends string = never>(options: FamilyOptions<Name>): Family<Gauge, Name> {
  return new Family("gauge", options, () => new Gauge())
}

/** Throws EINVAL unless the bounds are finite and ascending. */
export function histograms<const Name extends string = never>(
  options: FamilyOptions<Name> & { readonly bounds: readonly number[] },
): Family<Histogram, Name> {
  const { bounds, name } = options
  if (
    bounds.length === 0 ||
    bounds.some((bound, at) => !Number.isFinite(bound) || (at > 0 && bound <= bounds[at - 1]))
  ) {
    throw new HeddleError("EINVAL", `Invalid argument: bounds of ${name} must be finite and ascending`)
  }
  return new Family("histogram", options, () => new Histogram(bounds))
}
