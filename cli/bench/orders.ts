/** What the measuring side asks of its partner; JSON in one frame, the payloads that belong to it follow. */
export type Order =
  /** `count` payloads come: measure from the first to the last, and answer with an `Arrival`. */
  | { kind: "count"; count: number }
  /** `count` payloads come: send each back. */
  | { kind: "echo"; count: number }
  | { kind: "goodbye" }

/** How long the payloads after the first one took to arrive. */
export interface Arrival {
  seconds: number
}

export function encode(value: Order | Arrival): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** Throws for what is no order: the peer is another program. */
export function decodeOrder(frame: Buffer): Order {
  const order = parse(frame) as Order | null
  if (order?.kind === "goodbye") return order
  if ((order?.kind === "count" || order?.kind === "echo") && Number.isInteger(order.count) && order.count > 1)
    return order
  throw new Error("not an order of heddle bench")
}

export function decodeArrival(frame: Buffer): Arrival {
  const arrival = parse(frame) as Arrival | null
  if (typeof arrival?.seconds === "number" && arrival.seconds >= 0) return arrival
  throw new Error("not an answer of heddle bench")
}

function parse(frame: Buffer): unknown {
  try {
    return JSON.parse(frame.toString())
  } catch {
    return null
  }
}
