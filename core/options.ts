import { HeddleError } from "./errors.ts"

/** One option: its default, what it accepts, and when a change takes effect. */
export interface OptionSpec<T = unknown> {
  readonly initial: T
  /** Returns the value to keep; throws when it cannot be honoured. */
  check(value: unknown, name: string): T
  /** A change acts on existing connections; otherwise on the next bind or connect only. */
  readonly live: boolean
}

export type OptionTable = Readonly<Record<string, OptionSpec>>

function invalid(name: string, value: unknown, wanted: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: option ${name} is ${String(value)}; it takes ${wanted}`)
}

export interface Range {
  min: number
  max?: number
  live?: boolean
  unit?: string
}

export function integer(
  initial: number,
  { min, max = 2 ** 31 - 1, live = false, unit = "" }: Range,
): OptionSpec<number> {
  return {
    initial,
    live,
    check(value, name) {
      if (typeof value !== "number") throw new TypeError(`Option value must be a number: ${name}`)
      if (!Number.isInteger(value) || value < min || value > max) {
        throw invalid(name, value, `a whole number from ${min} to ${max}${unit && ` (${unit})`}`)
      }
      return value
    },
  }
}

export function flag(initial: boolean, live = false): OptionSpec<boolean> {
  return {
    initial,
    live,
    check(value, name) {
      if (typeof value !== "boolean") throw new TypeError(`Option value must be a boolean: ${name}`)
      return value
    },
  }
}

export function choice<T extends string | number | boolean | null>(
  initial: T,
  choices: readonly T[],
  live = false,
): OptionSpec<T> {
  return {
    initial,
    live,
    check(value, name) {
      if (!choices.includes(value as T)) throw invalid(name, value, `one of ${choices.map(String).join(", ")}`)
      return value as T
    },
  }
}

export type Bytes = Buffer | string | null

/** Bytes given as a Buffer or a string, kept as given; null and "" are the empty value. */
export function bytes(maxLength: number, live = false): OptionSpec<Bytes> {
  return {
    initial: null,
    live,
    check(value, name) {
      if (value === null || value === "") return null
      if (typeof value !== "string" && !Buffer.isBuffer(value)) {
        throw new TypeError(`Option value must be a string or buffer: ${name}`)
      }
      const length = Buffer.byteLength(value)
      if (length > maxLength) throw invalid(name, `${length} bytes long`, `at most ${maxLength} bytes`)
      return value
    },
  }
}

/** 1 to 255 octets that do not begin with 0, which RFC 28 keeps for ids that a ROUTER gives. */
export const routingIdOption: OptionSpec<Bytes> = {
  initial: null,
  live: false,
  check(value, name) {
    const id = bytes(255).check(value, name)
    if (id !== null && toBytes(id)[0] === 0)
      throw invalid(name, "an id that begins with 0", "ids that begin with another byte")
    return id
  },
}

const NO_BYTES = Buffer.alloc(0)

export function toBytes(value: Bytes): Buffer {
  return value === null ? NO_BYTES : Buffer.from(value as Buffer)
}

/** An option of libzmq that this build cannot honour: any value but the default is refused, never ignored. */
export function refused<T>(initial: T, why: string): OptionSpec<T> {
  return {
    initial,
    live: false,
    check(value, name) {
      if (value === initial || (value === "" && initial === null)) return initial
      throw new HeddleError("ENOTSUP", `Operation not supported: option ${name} cannot be set; ${why}`)
    },
  }
}

/** The socket that `defineOptions` gives properties to. */
export interface OptionHolder {
  readonly settings: Record<string, unknown>
  /** Called after a change; `live` says whether it acts now. */
  optionChanged(name: string, live: boolean): void
}

/** Makes each option of the table a property of the class. Options of parent classes stay. */
export function defineOptions(type: { prototype: OptionHolder }, table: OptionTable): void {
  tables.set(type.prototype, table)
  for (const [name, spec] of Object.entries(table)) {
    Object.defineProperty(type.prototype, name, {
      enumerable: true,
      configurable: true,
      get(this: OptionHolder) {
        return this.settings[name]
      },
      set(this: OptionHolder, value: unknown) {
        this.settings[name] = spec.check(value, name)
        this.optionChanged(name, spec.live)
      },
    })
  }
}

/** Which class has which options; filled when classes are defined, read when sockets are made. */
const tables = new WeakMap<object, OptionTable>()

/** Defaults of all options that a socket of this class has. */
export function defaultsOf(prototype: object): Record<string, unknown> {
  const defaults: Record<string, unknown> = {}
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at)) {
    const table = tables.get(at)
    if (table === undefined) continue
    for (const [name, spec] of Object.entries(table)) if (!(name in defaults)) defaults[name] = spec.initial
  }
  // The copy has V8's fast properties, the original is a dictionary: a pattern that reads an option for each message would
  // pay 10 ns for it.
  return { ...defaults }
}

/** Sets the options that the user gave to a constructor. Throws EINVAL for a name that the class does not have. */
export function applyOptions(socket: OptionHolder, options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (!Object.hasOwn(socket.settings, name)) {
      throw new HeddleError("EINVAL", `Invalid argument: ${socket.constructor.name} has no option ${name}`)
    }
    ;(socket as unknown as Record<string, unknown>)[name] = value
  }
}
