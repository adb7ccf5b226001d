import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import {
  directory,
  type Fabric,
  type FabricMessage,
  type JoinOptions,
  join,
  type SubscribeOptions,
  type Subscription,
  seeds,
} from "../../../index.ts"
import type { FabricEvent } from "../../../patterns/fabric/events.ts"
import { later } from "../../support/cleanup.ts"
import { Valve } from "../../support/valve.ts"
import { until } from "../../support/wait.ts"

const TCP = "tcp://127.0.0.1:0"

/** Nodes that tests open are in fabrics of their own: nothing found by chance could disturb them. */
let fabrics = 0

async function open(fabric: string, options: JoinOptions): Promise<Fabric> {
  const node = await join(fabric, options)
  later(() => node.close())
  return node
}

/** So many nodes a0, a1... over TCP, each linked with all others. */
export async function overTcp(count: number, options: JoinOptions = {}): Promise<Fabric[]> {
  const fabric = `test-${fabrics++}`
  const nodes: Fabric[] = []
  for (let i = 0; i < count; i++) {
    const discovery = i === 0 ? [] : [seeds([nodes[0].endpoints[0]])]
    nodes.push(await open(fabric, { name: `a${i}`, discovery, listen: TCP, ...options }))
  }
  for (const node of nodes) await node.ready({ peers: count - 1 })
  return nodes
}

/** The same over Unix sockets in a folder. */
export async function overDirectory(count: number, options: JoinOptions = {}): Promise<Fabric[]> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-"))
  later(() => fs.rmSync(folder, { recursive: true, force: true }))
  const fabric = `test-${fabrics++}`
  const nodes = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      open(fabric, { name: `a${i}`, discovery: [directory({ path: folder })], ...options }),
    ),
  )
  for (const node of nodes) await node.ready({ peers: count - 1 })
  return nodes
}

/** Another node for the fabric of `node`, linked with it, and with the rest by gossip. */
export async function another(node: Fabric, options: JoinOptions = {}): Promise<Fabric> {
  return open(node.fabric, { name: "another", discovery: [seeds([node.endpoints[0]])], listen: TCP, ...options })
}

/**
 * A publisher and a subscriber whose link can be stalled on its way to the subscriber. The publisher keeps `window`
 * bytes for it, so that what else is published waits by policy.
 */
export async function withValve(
  window: number,
  options: JoinOptions = {},
): Promise<{ publisher: Fabric; subscriber: Fabric; valve: Valve }> {
  const fabric = `test-${fabrics++}`
  const publisher = await open(fabric, {
    name: "publisher",
    // The subscriber shall have one way only.
    advertise: [],
    discovery: [],
    listen: TCP,
    resume: { bytes: window },
    ...options,
  })
  const valve = await Valve.open(publisher.endpoints[0])
  later(() => valve.close())
  const subscriber = await open(fabric, {
    name: "subscriber",
    discovery: [seeds([valve.endpoint], { retry: 60_000 })],
    listen: [],
  })
  await publisher.ready({ peers: 1 })
  await subscriber.ready({ peers: 1 })
  return { publisher, subscriber, valve }
}

/** Publishes until the window of the stalled link is full: from then on messages wait by their policy. */
export function fillWindow(publisher: Fabric, subject: string, window: number): number {
  let count = 0
  for (; publisher.stats().peers[0].unacknowledged < window; count++) publisher.publish(subject, Buffer.alloc(100))
  return count
}

/** What a subscription has got so far. */
export function collect<T = unknown>(
  node: Fabric,
  pattern: string,
  options: SubscribeOptions = {},
): { subscription: Subscription; messages: FabricMessage[]; values(): T[]; count(count: number): Promise<T[]> } {
  const messages: FabricMessage[] = []
  const values = (): T[] => messages.map(message => message.data as T)
  const subscription = node.subscribe(pattern, message => void messages.push(message), options)
  return {
    subscription,
    messages,
    values,
    async count(count) {
      await until(() => messages.length >= count)
      return values()
    },
  }
}

/** What a node has emitted so far, of one type. */
export function events<T extends FabricEvent["type"]>(node: Fabric, type: T): Extract<FabricEvent, { type: T }>[] {
  const seen: Extract<FabricEvent, { type: T }>[] = []
  node.events.on(type, event => void seen.push(event))
  return seen
}

/** A handler that does not come to its end before it is told to. */
export class Gate {
  readonly inside: unknown[] = []
  private open = false
  private readonly waiting: (() => void)[] = []

  readonly handler = (message: FabricMessage): Promise<void> | undefined => {
    this.inside.push(message.data)
    return this.open ? undefined : new Promise(resolve => this.waiting.push(resolve))
  }

  /** Lets those inside go on, and all who come later. */
  release(): void {
    this.open = true
    for (const go of this.waiting.splice(0)) go()
  }

  /** Lets one go on. */
  step(): void {
    this.waiting.shift()?.()
  }
}

/** 0, 1... */
export function range(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, i) => from + i)
}
