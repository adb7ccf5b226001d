/**
 * Plain values to messages and back. The library's own `fromObject` makes something of everything ("abc" for an int32 becomes
 * 0); here a value that does not fit is an error that names the field.
 */
import { Buffer } from "node:buffer"

/** What is looked at of the library's messages. */
export interface MessageType {
  readonly name: string
  readonly fields: Readonly<Record<string, MessageField>>
  readonly fieldsArray: readonly MessageField[]
}

interface EnumType {
  readonly name: string
  readonly values: Readonly<Record<string, number>>
}

interface MessageField {
  readonly name: string
  readonly type: string
  /** Of a map. */
  readonly keyType?: string
  readonly map: boolean
  readonly repeated: boolean
  readonly required: boolean
  /** The oneof that it is in. */
  readonly partOf: { readonly name: string } | null
  readonly resolvedType: MessageType | EnumType | null
}

/** protobuf's own limit of messages within messages. */
const MAX_DEPTH = 100

const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  sint32: [-(2 ** 31), 2 ** 31 - 1],
  sfixed32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  fixed32: [0, 2 ** 32 - 1],
}

const SIGNED_64 = new Set(["int64", "sint64", "sfixed64"])
const UNSIGNED_64 = new Set(["uint64", "fixed64"])

/** What the library's writer takes for 64 bits. */
interface LongLike {
  readonly low: number
  readonly high: number
  readonly unsigned: boolean
}

/** A value as the library's encoder takes it. Throws an Error that names the field. `strict` = unknown fields are errors. */
export function toMessage(type: MessageType, value: unknown, strict: boolean): Record<string, unknown> {
  return messageOf(type, value, strict, type.name, 0)
}

function messageOf(
  type: MessageType,
  value: unknown,
  strict: boolean,
  path: string,
  depth: number,
): Record<string, unknown> {
  if (!isObject(value)) throw new Error(`${path} is ${kindOf(value)}, not an object`)
  if (depth > MAX_DEPTH) throw new Error(`${path} is nested more than ${MAX_DEPTH} deep`)
  const message: Record<string, unknown> = {}
  const chosen = new Set<string>()
  for (const name of Object.keys(value)) {
    const one = value[name]
    if (one === undefined || one === null) continue
    const where = `${path}.${name}`
    const field = Object.hasOwn(type.fields, name) ? type.fields[name] : undefined
    if (field === undefined) {
      if (strict) throw new Error(`${where} is not in the schema`)
      continue
    }
    const group = field.partOf?.name
    if (group !== undefined) {
      if (chosen.has(group)) throw new Error(`${where}: another field of the oneof ${group} is set already`)
      chosen.add(group)
    }
    message[name] = fieldOf(field, one, strict, where, depth)
  }
  for (const field of type.fieldsArray)
    if (field.required && !Object.hasOwn(message, field.name)) throw new Error(`${path}.${field.name} is missing`)
  return message
}

function fieldOf(field: MessageField, value: unknown, strict: boolean, path: string, depth: number): unknown {
  if (field.map) {
    if (!isObject(value)) throw new Error(`${path} is ${kindOf(value)}, not an object`)
    const map: Record<string, unknown> = {}
    for (const [key, one] of Object.entries(value)) {
      const where = `${path}[${JSON.stringify(key)}]`
      checkKey(field.keyType ?? "string", key, where)
      map[key] = singleOf(field, one, strict, where, depth)
    }
    return map
  }
  if (!field.repeated) return singleOf(field, value, strict, path, depth)
  if (!Array.isArray(value)) throw new Error(`${path} is ${kindOf(value)}, not an array`)
  return value.map((one, i) => singleOf(field, one, strict, `${path}[${i}]`, depth))
}

function singleOf(field: MessageField, value: unknown, strict: boolean, path: string, depth: number): unknown {
  const { resolvedType, type } = field
  const wrong = (): Error => new Error(`${path} is ${kindOf(value)}, not ${type}`)
  if (resolvedType !== null) {
    if ("fields" in resolvedType) return messageOf(resolvedType, value, strict, path, depth + 1)
    if (typeof value === "string" && Object.hasOwn(resolvedType.values, value)) return resolvedType.values[value]
    if (typeof value === "number" && (value | 0) === value) return value
    throw new Error(`${path}: ${JSON.stringify(value)?.slice(0, 100)} is no value of the enum ${resolvedType.name}`)
  }
  const range = RANGES[type]
  if (range !== undefined) {
    if (!Number.isInteger(value) || (value as number) < range[0] || (value as number) > range[1]) throw wrong()
    return value
  }
  if (SIGNED_64.has(type) || UNSIGNED_64.has(type)) return longOf(UNSIGNED_64.has(type), value, wrong)
  switch (type) {
    case "double":
    case "float":
      if (typeof value !== "number") throw wrong()
      return value
    case "bool":
      if (typeof value !== "boolean") throw wrong()
      return value
    case "string":
      if (typeof value !== "string") throw wrong()
      return value
    case "bytes":
      if (!ArrayBuffer.isView(value)) throw wrong()
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }
  throw wrong()
}

function longOf(unsigned: boolean, value: unknown, wrong: () => Error): LongLike {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw wrong()
  if (typeof value !== "number" && typeof value !== "bigint") throw wrong()
  const big = BigInt(value)
  if (big !== (unsigned ? BigInt.asUintN(64, big) : BigInt.asIntN(64, big))) throw wrong()
  return { low: Number(BigInt.asIntN(32, big)), high: Number(BigInt.asIntN(32, big >> 32n)), unsigned }
}

function checkKey(type: string, key: string, path: string): void {
  if (type === "string") return
  const fits = type === "bool" ? key === "true" || key === "false" : /^-?\d{1,20}$/.test(key)
  if (!fits) throw new Error(`${path} is no key of the type ${type}`)
}

/** Whether messages of this type can have a number of 64 bits anywhere. */
export function hasLongs(type: MessageType, seen = new Set<MessageType>()): boolean {
  if (seen.has(type)) return false
  seen.add(type)
  return type.fieldsArray.some(field => {
    const { resolvedType } = field
    if (resolvedType !== null) return "fields" in resolvedType && hasLongs(resolvedType, seen)
    return SIGNED_64.has(field.type) || UNSIGNED_64.has(field.type)
  })
}

/** Replaces the library's objects of 64 bits by numbers while they are exact, by bigint beyond 2^53. Changes `value` within. */
export function withoutLongs(value: unknown): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = withoutLongs(value[i])
    return value
  }
  if ("__isLong__" in value) {
    const { low, high, unsigned } = value as unknown as LongLike
    const number = (unsigned ? high >>> 0 : high) * 2 ** 32 + (low >>> 0)
    if (Number.isSafeInteger(number)) return number
    return (BigInt(unsigned ? high >>> 0 : high) << 32n) | BigInt(low >>> 0)
  }
  const object = value as Record<string, unknown>
  for (const key of Object.keys(object)) {
    const one = object[key]
    if (typeof one === "object") object[key] = withoutLongs(one)
  }
  return object
}

/** Whether any object within has this key of its own. */
export function hasKey(value: unknown, key: string): boolean {
  if (Array.isArray(value)) return value.some(one => hasKey(one, key))
  if (!isObject(value)) return false
  return Object.hasOwn(value, key) || Object.values(value).some(one => hasKey(one, key))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
}

function kindOf(value: unknown): string {
  if (value === null) return "null"
  if (Array.isArray(value)) return "an array"
  if (ArrayBuffer.isView(value)) return "bytes"
  return typeof value === "number" || typeof value === "bigint" ? String(value) : typeof value
}
