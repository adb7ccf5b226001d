/**
 * What the types of subjects promise. Nothing here runs: it is right when it compiles, and each `@ts-expect-error` is an
 * error of its own when the line below it is accepted.
 */
import type {
  Exchange,
  KnownPattern,
  KnownSubject,
  PatternPayload,
  PayloadOf,
  ReplyOf,
  RequestOf,
  Subjects,
  Untyped,
} from "../../../patterns/fabric/typed-subjects.ts"

/** True when the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles for `true` only. */
function holds<T extends true>(_proof?: T): void {}

interface Order {
  id: number
}
interface Created {
  at: string
}
interface Price {
  cents: number
}
interface Sku {
  sku: string
}
interface Left {
  left: number
}

type Shop = {
  "orders.*.created": Created
  "orders.>": Order
  "prices.>": Price
  "prices.gold": { ounces: number }
  "temperature.*": number
  ping: null
  "stock.check": Exchange<Sku, Left>
  "stock.look.*": Exchange<string, boolean>
  plain: { request: Sku; reply: Left }
}

/** A map may be an interface, which has no index signature. */
interface Small {
  "a.*": number
}

/** The calls as a fabric has them. */
interface Calls<S extends object = Subjects> {
  publish<P extends string>(subject: P, data: PayloadOf<S, P>): void
  subscribe<P extends string>(pattern: P & KnownPattern<S, P>, each: (data: PatternPayload<S, P>) => void): void
  request<P extends string>(subject: P & KnownSubject<S, P>, data: RequestOf<S, P>): ReplyOf<S, P>
}

export function whatMayBePublished(): void {
  // An entry by its whole name
  holds<Same<PayloadOf<Shop, "ping">, null>>()
  holds<Same<PayloadOf<Shop, "prices.gold">, { ounces: number }>>()
  // One entry matches
  holds<Same<PayloadOf<Shop, "prices.silver">, Price>>()
  holds<Same<PayloadOf<Shop, "prices.silver.spot">, Price>>()
  holds<Same<PayloadOf<Shop, "temperature.attic">, number>>()
  holds<Same<PayloadOf<Small, "a.b">, number>>()
  // Several do
  holds<Same<PayloadOf<Shop, "orders.eu.created">, Created | Order>>()
  holds<Same<PayloadOf<Shop, "orders.eu.paid">, Order>>()
  // None does
  holds<Same<PayloadOf<Shop, "nobody">, never>>()
  holds<Same<PayloadOf<Shop, "orders">, never>>()
  holds<Same<PayloadOf<Shop, "prices">, never>>()
  holds<Same<PayloadOf<Shop, "temperature.attic.east">, never>>()
  holds<Same<PayloadOf<Shop, "Ping">, never>>()
  // Publishing needs a literal subject, even where the map has that very pattern
  holds<Same<PayloadOf<Shop, "temperature.*">, never>>()
  holds<Same<PayloadOf<Shop, "prices.>">, never>>()
  holds<Same<PayloadOf<Shop, ">">, never>>()
  // What travels to an exchange is its request; fields of the same name make none
  holds<Same<PayloadOf<Shop, "stock.check">, Sku>>()
  holds<Same<PayloadOf<Shop, "plain">, { request: Sku; reply: Left }>>()
}

export function subjectsKnownInPart(): void {
  holds<Same<PayloadOf<Shop, `temperature.${string}`>, number>>()
  holds<Same<PayloadOf<Shop, `temperature.room-${number}`>, number>>()
  holds<Same<PayloadOf<Shop, `prices.${"gold" | "silver"}`>, { ounces: number } | Price>>()
  holds<Same<PayloadOf<Shop, `orders.${number}.created`>, Created | Order>>()
  holds<Same<PayloadOf<Shop, `prices.${string}`>, { ounces: number } | Price>>()
  holds<Same<PayloadOf<Shop, `humidity.${string}`>, never>>()
  holds<Same<PayloadOf<Small, string>, number>>()
  holds<Same<PayloadOf<{ a: 1; b: 2; "c.>": Exchange<3, 4> }, string>, 1 | 2 | 3>>()
}

export function whatSubscribersGet(): void {
  // A literal subject gets what can be published to it
  holds<Same<PatternPayload<Shop, "ping">, null>>()
  holds<Same<PatternPayload<Shop, "orders.eu.created">, Created | Order>>()
  holds<Same<PatternPayload<Shop, "stock.check">, Sku>>()
  // A pattern gets all that overlap, also where it is an entry itself
  holds<Same<PatternPayload<Shop, "prices.*">, { ounces: number } | Price>>()
  holds<Same<PatternPayload<Shop, "orders.>">, Created | Order>>()
  holds<Same<PatternPayload<Shop, "*.*.created">, Created | Order | Price | string>>()
  holds<Same<PatternPayload<Shop, "orders.*">, Order>>()
  holds<Same<PatternPayload<Shop, "*">, null | { request: Sku; reply: Left }>>()
  holds<Same<PatternPayload<Shop, "temperature.>">, number>>()
  holds<Same<PatternPayload<Shop, "stock.>">, Sku | string>>()
  holds<Same<PatternPayload<{ a: 1; "b.c": 2 }, ">">, 1 | 2>>()
  holds<Same<PatternPayload<Shop, "nobody.>">, never>>()
  // A star within a token is a letter
  holds<Same<PatternPayload<{ "a*": 1; ab: 2 }, "a*">, 1>>()
  holds<Same<PayloadOf<{ "a*": 1; ab: 2 }, "a*">, 1>>()
  holds<Same<PayloadOf<{ "a*": 1 }, "ab">, never>>()
}

export function requests(): void {
  holds<Same<RequestOf<Shop, "stock.check">, Sku>>()
  holds<Same<ReplyOf<Shop, "stock.check">, Left>>()
  holds<Same<RequestOf<Shop, "stock.look.7">, string>>()
  holds<Same<ReplyOf<Shop, "stock.look.7">, boolean>>()
  holds<Same<RequestOf<Shop, string>, Sku | string>>()
  holds<Same<ReplyOf<Shop, string>, Left | boolean>>()
  holds<Same<RequestOf<Shop, "ping">, never>>()
  holds<Same<ReplyOf<Shop, "plain">, never>>()
  holds<Same<RequestOf<Shop, "nobody">, never>>()
}

export function withoutMap(): void {
  holds<Same<PayloadOf<Subjects, "any.thing">, unknown>>()
  holds<Same<PayloadOf<Subjects, string>, unknown>>()
  holds<Same<PatternPayload<Subjects, "any.>">, Untyped>>()
  holds<Same<PatternPayload<Subjects, string>, Untyped>>()
  holds<Same<RequestOf<Subjects, "any.thing">, unknown>>()
  holds<Same<ReplyOf<Subjects, "any.thing">, Untyped>>()
  // One type for all subjects
  holds<Same<PayloadOf<Record<string, number>, "a.b">, number>>()
  holds<Same<PatternPayload<Record<string, number>, "a.>">, number>>()
  // `unknown` that a map names is a wish to check
  holds<Same<PatternPayload<{ "log.>": unknown }, "log.>">, unknown>>()
}

export function calls(typed: Calls<Shop>, untyped: Calls, subject: string): void {
  typed.publish("ping", null)
  typed.publish("prices.silver", { cents: 1 })
  typed.publish("orders.eu.created", { at: "noon" })
  typed.publish(subject, { cents: 1 })
  // @ts-expect-error not a price
  typed.publish("prices.silver", { cent: 1 })
  // @ts-expect-error no such subject
  typed.publish("pong", null)
  // @ts-expect-error a pattern
  typed.publish("prices.*", { cents: 1 })
  // @ts-expect-error not the payload of any subject
  typed.publish(subject, Symbol("x"))
  typed.subscribe("prices.silver", price => price.cents)
  typed.subscribe(subject, data => data)
  // @ts-expect-error the entry of gold has no cents
  typed.subscribe("prices.*", price => price.cents)
  // @ts-expect-error no entry overlaps
  typed.subscribe("nobody.>", () => {})
  holds<Same<ReturnType<typeof left>, Left>>()
  // @ts-expect-error nobody answers a ping
  typed.request("ping", null)
  // @ts-expect-error not a request
  typed.request("stock.check", "sku")
  untyped.publish("x", 1)
  untyped.publish(subject, { any: "thing" })
  untyped.subscribe("x.>", data => data.whatever.it.has)
  untyped.request(subject, 1).left.toFixed()

  function left() {
    return typed.request("stock.check", { sku: "a" })
  }
}
