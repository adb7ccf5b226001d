/**
 * Validators of payloads: any library that follows Standard Schema, version 1 (https://standardschema.dev): Zod,
 * Valibot, ArkType and others. The types below are compatible with theirs by structure, so that Heddle needs none of
 * them.
 */
import { HeddleError } from "./errors.ts"

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1
    /** The library. */
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    /** For the compiler only. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a schema takes. */
export type InferInput<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["input"]

/** What it gives, after its defaults and conversions. */
export type InferOutput<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["output"]

/** Issues named in the text of an error; all are in its `cause`. */
const SHOWN = 3

/** Throws EINVAL unless `schema` follows Standard Schema, version 1. Some libraries make schemas that are functions. */
export function checkSchema(schema: unknown): asserts schema is StandardSchema {
  const standard = (schema as StandardSchema | null | undefined)?.["~standard"]
  if (standard?.version !== 1 || typeof standard.validate !== "function")
    throw new HeddleError(
      "EINVAL",
      'A schema has to follow Standard Schema, version 1 (a member "~standard"), as those of Zod, Valibot and ArkType do',
    )
}

/**
 * What the schema makes of `value`. `where` tells the user what was validated, e.g. "The payload published to
 * prices.eur".
 *
 * Throws ERR_VALIDATION when the value does not fit (`cause` is the list of issues) or the validator itself throws
 * (`cause` is what it threw), and EINVAL when the validator is asynchronous: a payload is checked before `publish`
 * returns.
 */
export function validate<Output>(schema: StandardSchema<unknown, Output>, value: unknown, where: string): Output {
  const standard = schema["~standard"]
  let result: SchemaResult<Output> | Promise<SchemaResult<Output>>
  try {
    result = standard.validate(value)
  } catch (error) {
    throw new HeddleError(
      "ERR_VALIDATION",
      `${where} could not be validated: the schema (${standard.vendor}) threw ${text(error)}`,
      { cause: error },
    )
  }
  if (isPromise(result)) {
    result.then(undefined, () => {}) // refused below: its own failure is nobody's any more
    throw new HeddleError(
      "EINVAL",
      `${where} has a schema (${standard.vendor}) that validates asynchronously; leave out its asynchronous parts`,
    )
  }
  if (result.issues === undefined) return result.value
  const { issues } = result
  const shown = issues.slice(0, SHOWN).map(describeIssue).join("; ")
  const more = issues.length > SHOWN ? `; and ${issues.length - SHOWN} more` : ""
  throw new HeddleError("ERR_VALIDATION", `${where} does not fit its schema: ${shown}${more}`, { cause: issues })
}

function isPromise<T>(result: T | Promise<T>): result is Promise<T> {
  return typeof (result as Promise<T> | null)?.then === "function"
}

function describeIssue(issue: SchemaIssue): string {
  const path = (issue.path ?? []).map(part => String(typeof part === "object" ? part.key : part)).join(".")
  return path === "" ? issue.message : `${path}: ${issue.message}`
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
