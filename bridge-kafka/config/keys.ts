/**
 * What a setting is: its name as the user writes it, its type, its default and its words. All checks, all help and
 * docs/bridge-config.md come from such definitions.
 */

/**
 * - `string`, `class` (name of a transform, predicate, converter or connector), `password` (never printed): text
 * - `int`, `long`: whole numbers; `int` within 32 bits, `long` within 2^53
 * - `boolean`: true or false
 * - `list`: an array of text, or text with commas between
 * - `bytes`: a number of bytes, or text with a unit: "64KiB", "8GiB", "10MB"
 * - `duration`: milliseconds, or text with a unit: "5ms", "30s", "10m", "1h", "7d"
 */
export type ConfigType = "string" | "int" | "long" | "boolean" | "list" | "class" | "password" | "bytes" | "duration"

/** A parsed setting; null = neither given nor with a default. Durations are milliseconds. */
export type ConfigValue = string | number | boolean | readonly string[] | null

export interface ConfigKey {
  /** As users write it: "errors.retry.delay.max.ms". */
  readonly name: string
  readonly type: ConfigType
  /** Parsed like what a user writes. Without it the setting is null unless given. */
  readonly default?: string | number | boolean | readonly string[]
  readonly required?: boolean
  /** One or two sentences in Markdown: what it does; units where the type does not say them. */
  readonly doc: string
  /** The only texts allowed. For a list: of its entries. */
  readonly values?: readonly string[]
  /** Smallest and largest number, or length of a list. */
  readonly min?: number
  readonly max?: number
  /** What is wrong with a parsed value ("must not be empty"), or null. */
  check?(value: NonNullable<ConfigValue>): string | null
}

type Camel<Name extends string> = Name extends `${infer Head}.${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name

type Parsed<Key extends ConfigKey> = Key extends { values: readonly (infer Value extends string)[] }
  ? Key["type"] extends "list"
    ? readonly Value[]
    : Value
  : Key["type"] extends "int" | "long" | "bytes" | "duration"
    ? number
    : Key["type"] extends "boolean"
      ? boolean
      : Key["type"] extends "list"
        ? readonly string[]
        : string

type Present<Key extends ConfigKey> = Key extends { required: true } | { default: unknown }
  ? Parsed<Key>
  : Parsed<Key> | null

/**
 * The settings that a list of definitions makes, by camelCase names: `buffer.memory.bytes` is `bufferMemoryBytes`.
 * The list must be declared `as const satisfies readonly ConfigKey[]`.
 */
export type Settings<Keys extends readonly ConfigKey[]> = {
  readonly [Key in Keys[number] as Camel<Key["name"]>]: Present<Key>
}

/** `errors.retry.delay.max.ms` is `errorsRetryDelayMaxMs` in code. */
export function camelCase(name: string): string {
  return name.replace(/\.(.)/g, (_, letter: string) => letter.toUpperCase())
}
