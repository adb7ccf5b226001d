/**
 * Whether the sinks and sources of one configuration feed each other (MAP-4): a subject that a sink takes to a topic which a source
 * brings back as a subject that a sink takes. Judged by what configuration says, so rather too much than too little:
 * where a transform or a template could make anything, it counts as making everything. What passes through programs outside of the
 * bridge is not seen here; hd.hops is for that.
 */
import { badMapping } from "./failure.ts"
import { describe, type Shape, shapeOfPattern, shapesOverlap, UNKNOWN } from "./shape.ts"
import type { Template } from "./template.ts"
import type { Known } from "./variables.ts"

/** What transforms may make of names; the identity where there are none. */
export type Reshape = (shapes: readonly Shape[]) => readonly Shape[]

export interface SinkFlow {
  readonly connector: string
  readonly routes: readonly { readonly pattern: string; readonly topic: Template }[]
  /** What its transforms make of topics. */
  readonly topics: Reshape
  /** And of subjects, which go along as hd.subject; UNKNOWN where that may be missing. */
  readonly subjects: Reshape
}

export interface SourceFlow {
  readonly connector: string
  readonly topics: readonly string[]
  readonly subject: Template
  /** What its transforms make of subjects. */
  readonly subjects: Reshape
}

/** A way from a subject of `pattern` to another route of a sink. */
interface Way {
  readonly to: Node
  readonly words: string
}

interface Node {
  readonly sink: SinkFlow
  readonly pattern: string
  readonly topic: Template
  readonly ways: Way[]
}

/** Throws ERR_CONFIG that tells the way of the loop, unless `allow.cycle` is set (then do not call it). */
export function checkLoops(sinks: readonly SinkFlow[], sources: readonly SourceFlow[]): void {
  const cycle = findLoop(sinks, sources)
  if (cycle === null) return
  throw badMapping(
    `Connectors feed each other: ${cycle.join("; ")}; and so on for ever. Change a subject or topic (subject.prefix, topic.prefix), or set allow.cycle to true if something else ends it`,
  )
}

/** The steps of a loop in words; null = there is none. */
export function findLoop(sinks: readonly SinkFlow[], sources: readonly SourceFlow[]): readonly string[] | null {
  const nodes: Node[] = sinks.flatMap(sink => sink.routes.map(route => ({ sink, ...route, ways: [] })))
  for (const node of nodes) for (const source of sources) link(node, source, nodes)
  return findCycle(nodes)
}

function link(node: Node, source: SourceFlow, nodes: readonly Node[]): void {
  const { sink, pattern } = node
  const written = sink.topics(node.topic.shapes({ pattern }))
  for (const topic of source.topics) {
    if (!written.some(shape => shapesOverlap(shape, [topic]))) continue
    const kept = sink.subjects([shapeOfPattern(pattern)])
    const made = kept.flatMap(original => {
      const known: Known = original === UNKNOWN ? { topic: [topic] } : { topic: [topic], original }
      return source.subjects(source.subject.shapes(known))
    })
    for (const to of nodes) {
      const wanted = shapeOfPattern(to.pattern)
      const subject = made.find(shape => shapesOverlap(shape, wanted))
      if (subject === undefined) continue
      const words = `${sink.connector} writes ${pattern} to the topic ${topic}, ${source.connector} reads it and publishes ${describe(subject)}, which ${to.sink.connector} takes as ${to.pattern}`
      node.ways.push({ to, words })
    }
  }
}

function findCycle(nodes: readonly Node[]): readonly string[] | null {
  const done = new Set<Node>()
  const path: Node[] = []
  const steps: string[] = []
  const visit = (node: Node): readonly string[] | null => {
    const at = path.indexOf(node)
    if (at >= 0) return steps.slice(at)
    if (done.has(node)) return null
    path.push(node)
    for (const { to, words } of node.ways) {
      steps.push(words)
      const found = visit(to)
      if (found !== null) return found
      steps.pop()
    }
    path.pop()
    done.add(node)
    return null
  }
  for (const node of nodes) {
    const found = visit(node)
    if (found !== null) return found
  }
  return null
}
