/**
 * Types only: what may be published where, when a program says so with a map of subject patterns to payload types.
 *
 *     type Shop = { "orders.*.created": Order; "prices.>": Price; "stock.check": Exchange<{ sku: string }, { left: number }> }
 *     const fabric = await join<Shop>("shop")
 *
 * Three rules. A subject that is an entry of the map by its whole name has the type of this entry alone. Any other
 * subject has the union of the entries that match it, and a pattern with wildcards the union of the entries that overlap it:
 * no entry is preferred for being more specific, so that what a subscriber is promised holds for whatever publishers may
 * send. What no entry matches is `never`, so that the call does not compile.
 *
 * A part of a subject that is only known to be a string, as in `orders.${id}`, counts as one token.
 */

/** The map when none was given: any subject, any payload. A map may also be an interface, hence `S extends object` below. */
export type Subjects = Record<string, unknown>

/** What subscribers get where nothing is known of the payload: to have to cast each message would help nobody. */
// biome-ignore lint/suspicious/noExplicitAny: this alias is the one place where data is let through unchecked
export type Untyped = any

declare const exchange: unique symbol

/** The entry of a subject that answers requests. The brand tells it from a payload that has such fields by chance. */
export type Exchange<Request, Reply> = { readonly [exchange]: true; readonly request: Request; readonly reply: Reply }

/** What may be published to a subject; for an exchange, its request. Patterns with wildcards are `never`. */
export type PayloadOf<S extends object, Subject extends string> = Sent<LiteralEntry<S, Subject>>

/** What a subscriber of a pattern (or of a literal subject) can get. */
export type PatternPayload<S extends object, Pattern extends string> = Received<S, Sent<PatternEntry<S, Pattern>>>

/** What a request to a subject must carry. `never` for a subject whose entry is no `Exchange`: nobody would answer. */
export type RequestOf<S extends object, Subject extends string> =
  IsOpen<S> extends true ? S[keyof S] : RequestIn<LiteralEntry<S, Subject>>

/** What comes back for it. */
export type ReplyOf<S extends object, Subject extends string> =
  IsOpen<S> extends true ? Received<S, S[keyof S]> : ReplyIn<LiteralEntry<S, Subject>>

/** The subject itself when the map knows it, otherwise `never`: for calls whose payload alone cannot make the error. */
export type KnownSubject<S extends object, Subject extends string> = [LiteralKeys<S, Subject>] extends [never]
  ? never
  : Subject

/** The pattern itself when an entry of the map overlaps it, otherwise `never`. */
export type KnownPattern<S extends object, Pattern extends string> = [PatternKeys<S, Pattern>] extends [never]
  ? never
  : Pattern

/** True for a map that any string is a key of. */
type IsOpen<S extends object> = string extends keyof S ? true : false

type LiteralEntry<S extends object, Subject extends string> = S[LiteralKeys<S, Subject>]

type PatternEntry<S extends object, Pattern extends string> = S[PatternKeys<S, Pattern>]

/** The keys whose entries a subject to publish to has. */
type LiteralKeys<S extends object, Subject extends string> =
  IsOpen<S> extends true
    ? keyof S
    : string extends Subject
      ? keyof S & string
      : HasWildcard<Subject> extends true
        ? never
        : Subject extends keyof S
          ? Subject
          : OverlappingKeys<keyof S & string, Subject>

/** The keys whose entries a subscriber's pattern has. */
type PatternKeys<S extends object, Pattern extends string> =
  HasWildcard<Pattern> extends true
    ? IsOpen<S> extends true
      ? keyof S
      : OverlappingKeys<keyof S & string, Pattern>
    : LiteralKeys<S, Pattern>

/** Goes through the union of keys one by one. */
type OverlappingKeys<Key extends string, Pattern extends string> = Key extends string
  ? true extends Overlap<Key, Pattern>
    ? Key
    : never
  : never

type HasWildcard<Pattern extends string> = Pattern extends
  | "*"
  | ">"
  | `*.${string}`
  | `${string}.*.${string}`
  | `${string}.*`
  | `${string}.>`
  ? true
  : false

/** `overlaps` of core/subject.ts for types. */
type Overlap<A extends string, B extends string> = A extends ">"
  ? true
  : B extends ">"
    ? true
    : A extends `${infer AToken}.${infer ARest}`
      ? B extends `${infer BToken}.${infer BRest}`
        ? TokenOverlap<AToken, BToken> extends true
          ? Overlap<ARest, BRest>
          : false
        : false
      : B extends `${string}.${string}`
        ? false
        : TokenOverlap<A, B>

/** One is assignable to the other where a token is only known in part, as `${number}` or `eu-${string}`. */
type TokenOverlap<A extends string, B extends string> = A extends "*" | B ? true : B extends "*" | A ? true : false

/** What travels to the subject of an entry. */
type Sent<Entry> = Entry extends Exchange<infer Request, unknown> ? Request : Entry

type RequestIn<Entry> = Entry extends Exchange<infer Request, unknown> ? Request : never

type ReplyIn<Entry> = Entry extends Exchange<unknown, infer Reply> ? Reply : never

/** Nothing known becomes anything goes, but only where the map itself says nothing. */
type Received<S extends object, Payload> =
  IsOpen<S> extends true ? (unknown extends Payload ? Untyped : Payload) : Payload
