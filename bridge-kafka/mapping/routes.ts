/** From a subject to topic, key, partition and headers (MAP-1, MAP-2). */
import { Buffer } from "node:buffer"
import { checkPattern } from "../../core/subject.ts"
import { SubjectIndex } from "../../core/subject-index.ts"
import type { KafkaHeader } from "../driver.ts"
import { checkBounded } from "./bounded-topics.ts"
import { badMapping } from "./failure.ts"
import { isOwn, type SharedOfSubject } from "./headers.ts"
import { KeyRule } from "./key.ts"
import { tokensOfPattern } from "./shape.ts"
import { Template, type TemplateUse } from "./template.ts"
import { capturesOf } from "./variables.ts"

/** One route as configuration has it. */
export interface RouteOptions {
  readonly subjects: string | readonly string[]
  /** Template. Default `${token[0]}`: the first token, escaped. */
  readonly topic?: string
  /** Rule of key.ts. Default "subject". */
  readonly key?: string
  /** "key" (default), a number, or a template that makes one. */
  readonly partition?: number | string
  /** Headers besides those of the message: templates by name. */
  readonly headers?: Readonly<Record<string, string>>
  /** Further routes are tried after this one. Default false. */
  readonly continue?: boolean
}

export interface RoutesOptions {
  /** topic.max; null = topics must be known from configuration. Default null. */
  readonly maxTopics?: number | null
  /** topic.prefix: put before every topic as it is. Default "". */
  readonly topicPrefix?: string
  /** Subjects that are remembered with their routes, twice this number at most. Default 50,000. */
  readonly cache?: number
}

export const DEFAULT_TOPIC = "${token[0]}"
export const DEFAULT_KEY = "subject"

/** A route for subjects of one pattern. */
export interface Route {
  readonly pattern: string
  readonly topic: Template
  readonly key: KeyRule
  /** -1 = by the key; a template = from the message. */
  readonly partition: number | Template
  readonly headers: readonly (readonly [string, Template])[]
  /** Headers, when all are the same for every message. */
  readonly fixedHeaders: readonly KafkaHeader[] | null
  readonly goesOn: boolean
  /** Place among all. */
  readonly order: number
  /** Made by it so far; one that is mapped again because its batch is sent again counts again. */
  records: number
}

/** What a route makes of one subject. */
export interface Match {
  readonly route: Route
  readonly captures: readonly string[]
  /** Null = it depends on more than the subject. */
  readonly topic: string | null
  /** Undefined = it depends on more than the subject. */
  readonly key: Buffer | null | undefined
}

/** All that is known of a subject; made once for it. */
export interface Routed {
  readonly bytes: Buffer
  readonly matches: readonly Match[]
  /** Headers of the messages of it that came last. */
  shared: SharedOfSubject | null
}

/**
 * Subjects of one generation. Each costs some 1.5 KiB; where there are more than both hold, all of it is garbage that has become old,
 * which V8 lets grow: a million subjects took 450 MB with 50,000, 140 MB with 10,000, in the same time.
 */
const CACHE = 10_000

export class Routes {
  readonly all: readonly Route[]
  private readonly index = new SubjectIndex<Route>()
  private readonly cache: number
  /** Two generations, as in patterns/fabric/topics.ts: entries never leave one by one. */
  private young = new Map<string, Routed>()
  private old = new Map<string, Routed>()

  /** Throws ERR_CONFIG, which names the route. */
  constructor(routes: readonly RouteOptions[], options: RoutesOptions = {}) {
    if (routes.length === 0) throw badMapping("A sink needs at least one route: subjects and topic")
    this.cache = options.cache ?? CACHE
    const all: Route[] = []
    routes.forEach((route, index) => {
      const patterns = typeof route.subjects === "string" ? [route.subjects] : route.subjects
      if (patterns.length === 0) throw badMapping(`routes[${index}].subjects is empty`)
      for (const pattern of patterns) all.push(compile(route, pattern, `routes[${index}]`, all.length, options))
    })
    this.all = all
    for (const route of all) this.index.add(route.pattern, route)
  }

  /** The routes of a subject in their order, up to the first without `continue`. Throws poison when a template makes no topic of it. */
  of(subject: string): Routed {
    const known = this.young.get(subject)
    if (known !== undefined) return known
    const routed = this.old.get(subject) ?? this.find(subject)
    if (this.young.size >= this.cache) {
      this.old = this.young
      this.young = new Map()
    }
    this.young.set(subject, routed)
    return routed
  }

  private find(subject: string): Routed {
    const found: Route[] = []
    this.index.match(subject, found)
    found.sort((a, b) => a.order - b.order)
    const bytes = Buffer.from(subject)
    const matches: Match[] = []
    for (const route of found) {
      matches.push(matchOf(route, subject, bytes))
      if (!route.goesOn) break
    }
    return { bytes, matches, shared: null }
  }
}

function matchOf(route: Route, subject: string, bytes: Buffer): Match {
  const captures = capturesOf(route.pattern, subject)
  const nothing = (): undefined => undefined
  const scope = { subject, topic: "", partition: -1, key: null, captures, header: nothing }
  const keyScope = { subject, subjectBytes: bytes, headerBytes: nothing, payload: nothing }
  return {
    route,
    captures,
    topic: route.topic.bySubject ? route.topic.render(scope) : null,
    key: route.key.bySubject ? route.key.keyOf(keyScope) : undefined,
  }
}

function compile(
  { topic = DEFAULT_TOPIC, key = DEFAULT_KEY, partition = "key", headers = {}, continue: goesOn = false }: RouteOptions,
  pattern: string,
  where: string,
  order: number,
  { maxTopics = null, topicPrefix = "" }: RoutesOptions,
): Route {
  try {
    checkPattern(pattern)
    const captures = tokensOfPattern(pattern).filter(token => typeof token !== "string").length
    const template = (text: string, use: TemplateUse): Template =>
      new Template(text, { use, captures, variables: ["subject", "token", "capture", "header"] })
    const topicTemplate = template(topicPrefix + topic, "topic")
    checkBounded(topicTemplate, pattern, maxTopics)
    const made = Object.entries(headers).map(([name, text]): [string, Template] => {
      if (name === "" || isOwn(name)) throw badMapping(`a header cannot be named ${JSON.stringify(name)}`)
      return [name, template(text, "text")]
    })
    return {
      pattern,
      topic: topicTemplate,
      key: new KeyRule(key),
      partition: partitionOf(partition, template),
      headers: made,
      fixedHeaders: made.every(([, { constant }]) => constant !== null)
        ? made.map(([name, { constant }]): KafkaHeader => [name, Buffer.from(constant as string)])
        : null,
      goesOn,
      order,
      records: 0,
    }
  } catch (error) {
    throw badMapping(`${where}: ${(error as Error).message}`)
  }
}

function partitionOf(
  partition: number | string,
  template: (text: string, use: TemplateUse) => Template,
): number | Template {
  if (partition === "key") return -1
  if (typeof partition === "string") {
    const made = template(partition, "text")
    if (made.constant === null) return made
    partition = Number(made.constant)
  }
  if (!Number.isInteger(partition) || partition < 0 || partition > 2 ** 31 - 1)
    throw badMapping(`partition ${partition} is no whole number from 0`)
  return partition
}
