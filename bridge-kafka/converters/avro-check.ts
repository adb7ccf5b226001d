/**
 * Looks through Avro's binary form before the library may read it. The library makes arrays by the length that the bytes
 * announce, and reads on behind the end of the buffer until it has as many items: a few bytes would take all memory. What passes
 * here has every length within the buffer, every union and enum within its list, and ends where the buffer ends.
 */
import { Buffer } from "node:buffer"

/** Values within values. Recursive schemas describe lists and trees; the library reads them by recursion. */
const MAX_DEPTH = 500

/** Items that take no bytes (null, an empty record) in one datum: nothing else bounds them. */
const MAX_EMPTY = 65_536

/** What is looked at of the library's types; which parts there are depends on `typeName`. */
export interface AvroType {
  readonly typeName: string
  readonly fields?: readonly { readonly type: AvroType }[]
  readonly types?: readonly AvroType[]
  readonly itemsType?: AvroType
  readonly valuesType?: AvroType
  readonly underlyingType?: AvroType
  readonly size?: number
  readonly symbols?: readonly string[]
}

type Node =
  | { kind: "null" | "boolean" | "varint" | "bytes" }
  | { kind: "fixed"; size: number }
  | { kind: "enum"; count: number }
  | { kind: "record" | "union" | "array" | "map"; children: readonly Node[] }

/** A check made ready for one schema. Throws an Error that says why. */
export class AvroCheck {
  private readonly root: Node
  private bytes: Buffer
  private at = 0
  private empty = 0

  constructor(type: AvroType) {
    this.root = nodeOf(type, new Map())
    this.bytes = NOTHING
  }

  /** `from` = where the datum begins; it must end with the buffer. */
  check(bytes: Buffer, from: number): void {
    this.bytes = bytes
    this.at = from
    this.empty = 0
    try {
      this.walk(this.root, 0)
      if (this.at !== bytes.length) throw new Error(`${bytes.length - this.at} bytes are left after the value`)
    } finally {
      this.bytes = NOTHING
    }
  }

  private walk(node: Node, depth: number): void {
    switch (node.kind) {
      case "null":
        return
      case "boolean":
        this.skip(1)
        return
      case "varint":
        this.varint()
        return
      case "bytes":
        this.skip(this.varint())
        return
      case "fixed":
        this.skip(node.size)
        return
      case "enum":
        this.index(node.count)
        return
    }
    if (depth === MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep`)
    const { children } = node
    if (node.kind === "record") for (let i = 0; i < children.length; i++) this.walk(children[i], depth + 1)
    else if (node.kind === "union") this.walk(children[this.index(children.length)], depth + 1)
    else this.blocks(node.kind === "map", children[0], depth + 1)
  }

  private blocks(isMap: boolean, item: Node, depth: number): void {
    for (let count = this.varint(); count !== 0; count = this.varint()) {
      let end = -1
      if (count < 0) {
        count = -count
        const size = this.varint()
        if (size < 0 || size > this.bytes.length - this.at) throw tooShort()
        end = this.at + size
      }
      for (let i = 0; i < count; i++) {
        const from = this.at
        if (isMap) this.key()
        this.walk(item, depth)
        if (this.at === from && ++this.empty > MAX_EMPTY) throw new Error(`it has more than ${MAX_EMPTY} empty items`)
      }
      // The library trusts this size where the reader does not want the field.
      if (end >= 0 && this.at !== end) throw new Error("a block has another size than it says")
    }
  }

  /** The library assigns by it: this one would replace the prototype of the object. */
  private key(): void {
    const size = this.varint()
    const from = this.at
    this.skip(size)
    if (size === PROTO.length && PROTO.compare(this.bytes, from, this.at) === 0)
      throw new Error('a map has the key "__proto__"')
  }

  private skip(size: number): void {
    if (size < 0 || size > this.bytes.length - this.at) throw tooShort()
    this.at += size
  }

  private index(count: number): number {
    const index = this.varint()
    if (index < 0 || index >= count) throw new Error(`it names the entry ${index} of ${count}`)
    return index
  }

  /** Exact to 2^53; beyond it is no length that any buffer has. */
  private varint(): number {
    const { bytes } = this
    let value = 0
    let scale = 1
    for (let size = 0; size < 10; size++) {
      if (this.at >= bytes.length) throw tooShort()
      const byte = bytes[this.at++]
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      scale *= 0x80
    }
    throw new Error("a number is longer than ten bytes")
  }
}

const PROTO = Buffer.from("__proto__")
const NOTHING = Buffer.alloc(0)

function tooShort(): Error {
  return new Error("it ends too soon")
}

/** Types may contain themselves: each is made once. */
function nodeOf(type: AvroType, known: Map<AvroType, Node>): Node {
  const found = known.get(type)
  if (found !== undefined) return found
  const name = type.typeName
  if (type.underlyingType !== undefined) return nodeOf(type.underlyingType, known)
  switch (name) {
    case "null":
    case "boolean":
      return { kind: name }
    case "int":
    case "long":
    case "abstract:long":
      return { kind: "varint" }
    case "float":
      return { kind: "fixed", size: 4 }
    case "double":
      return { kind: "fixed", size: 8 }
    case "bytes":
    case "string":
      return { kind: "bytes" }
  }
  if (type.size !== undefined) return { kind: "fixed", size: type.size }
  if (type.symbols !== undefined) return { kind: "enum", count: type.symbols.length }
  const { fields, types, itemsType, valuesType } = type
  if (fields !== undefined) {
    return parent(
      "record",
      type,
      fields.map(field => field.type),
      known,
    )
  }
  if (types !== undefined) return parent("union", type, types, known)
  if (itemsType !== undefined) return parent("array", type, [itemsType], known)
  if (valuesType !== undefined) return parent("map", type, [valuesType], known)
  throw new Error(`the type ${name} is not known here`)
}

function parent(
  kind: "record" | "union" | "array" | "map",
  type: AvroType,
  parts: readonly AvroType[],
  known: Map<AvroType, Node>,
): Node {
  const children: Node[] = []
  const node: Node = { kind, children }
  known.set(type, node)
  for (const part of parts) children.push(nodeOf(part, known))
  return node
}
