import { HeddleError } from "../../core/errors.ts"
import type { TransformChoice } from "../config/classes.ts"
import { PoisonError } from "../errors.ts"
import type { Shape } from "../mapping/shape.ts"
import { findPredicate, findTransform } from "./registry.ts"
import type { CreateContext, Predicate, Side, Transform, TransformRecord } from "./transform.ts"

/** One transform failed on one record: poison, with what dead letters say of it. */
export class TransformError extends PoisonError {
  /** The user's name for the step. */
  readonly alias: string

  constructor(step: Step, cause: unknown) {
    const words = cause instanceof Error ? cause.message : String(cause)
    super("TRANSFORMATION", `The transform ${step.alias} (${step.type}) failed: ${words}`, {
      cause,
      className: step.type,
    })
    this.alias = step.alias
  }
}

interface Step {
  readonly alias: string
  readonly type: string
  readonly transform: Transform
  readonly predicate: Predicate | null
  readonly negate: boolean
}

/** Records that one record may become, so that a module that multiplies cannot fill the memory. */
const MOST_RECORDS = 10_000

/** The transforms of a connector, one after the other. */
export class TransformChain {
  /** Halves of a record that some step needs decoded. */
  readonly reads: ReadonlySet<Side>
  private readonly steps: readonly Step[]

  private constructor(steps: readonly Step[]) {
    this.steps = steps
    this.reads = new Set(steps.flatMap(step => step.transform.reads))
  }

  /** Rejects with ERR_CONFIG. */
  static async create(choices: readonly TransformChoice[], context: CreateContext): Promise<TransformChain> {
    const steps: Step[] = []
    for (const { alias, type, settings, predicate } of choices) {
      try {
        steps.push({
          alias,
          type,
          transform: await findTransform(type).create(settings, context),
          predicate: predicate === null ? null : findPredicate(predicate.type).create(predicate.settings),
          negate: predicate?.negate ?? false,
        })
      } catch (error) {
        throw new HeddleError("ERR_CONFIG", `transforms.${alias}: ${(error as Error).message}`, { cause: error })
      }
    }
    return new TransformChain(steps)
  }

  get isEmpty(): boolean {
    return this.steps.length === 0
  }

  /** Appends what becomes of the record to `into`, and returns how many. Throws a TransformError, and appends nothing then. */
  apply(record: TransformRecord, into: TransformRecord[]): number {
    const before = into.length
    try {
      this.applyFrom(record, 0, into, before)
    } catch (error) {
      into.length = before
      throw error
    }
    return into.length - before
  }

  /** What the chain makes of topics, for the check of loops. */
  topics(shapes: readonly Shape[]): readonly Shape[] {
    return this.reshape(shapes, "topics")
  }

  subjects(shapes: readonly Shape[]): readonly Shape[] {
    return this.reshape(shapes, "subjects")
  }

  private reshape(shapes: readonly Shape[], what: "topics" | "subjects"): readonly Shape[] {
    let found = shapes
    for (const { transform, predicate } of this.steps) {
      const made = transform[what]?.(found)
      if (made === undefined) continue
      // Of some records it is not known whether the step is for them.
      found = predicate === null ? made : [...found, ...made]
    }
    return found
  }

  private applyFrom(record: TransformRecord, from: number, into: TransformRecord[], before: number): void {
    let current = record
    for (let i = from; i < this.steps.length; i++) {
      const step = this.steps[i]
      const outcome = run(step, current)
      if (outcome === null) return
      if (Array.isArray(outcome)) {
        if (outcome.length > MOST_RECORDS) throw tooMany(step)
        for (const one of outcome as readonly TransformRecord[]) this.applyFrom(one, i + 1, into, before)
        return
      }
      current = outcome as TransformRecord
    }
    if (into.length - before >= MOST_RECORDS) throw tooMany(this.steps[this.steps.length - 1])
    into.push(current)
  }
}

function run(step: Step, record: TransformRecord): TransformRecord | null | readonly TransformRecord[] {
  try {
    if (step.predicate !== null && step.predicate.test(record) === step.negate) return record
    return step.transform.apply(record)
  } catch (error) {
    throw new TransformError(step, error)
  }
}

function tooMany(step: Step): TransformError {
  return new TransformError(step, new Error(`one record became more than ${MOST_RECORDS}`))
}
