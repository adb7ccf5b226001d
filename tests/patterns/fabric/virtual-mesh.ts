import {
  type MemberInfo,
  Membership,
  type MembershipNotice,
  type MembershipOptions,
} from "../../../patterns/fabric/membership.ts"
import type { Random } from "../../support/random.ts"

/** A connection between two nodes. Each end learns for itself that it is gone. */
interface Link {
  readonly ends: readonly [VirtualNode, VirtualNode]
}

export interface MeshOptions {
  /** Of notices, from 0 to 1. */
  loss: number
  /** Milliseconds, one way: [least, most]. */
  delay: readonly [number, number]
}

/** A node of a virtual mesh, and its fabric: it dials who is wanted, and hangs up on the dead. */
export class VirtualNode {
  readonly info: MemberInfo
  readonly membership: Membership
  readonly links = new Map<string, Link>()
  readonly events: string[] = []
  /** Notices sent, by kind. */
  readonly sent = new Map<string, number>()
  running = true
  /** Stopped, as by SIGSTOP: what comes waits. */
  paused = false
  readonly waiting: (() => void)[] = []
  /** A tick that is in the agenda. */
  ticking = Number.POSITIVE_INFINITY

  constructor(mesh: VirtualMesh, node: string, options: Partial<MembershipOptions>) {
    this.info = { node, name: `name of ${node}`, endpoints: [`virtual://${node}`] }
    const log = (event: string): void => {
      this.events.push(event)
    }
    const host = {
      send: (to: string, notice: MembershipNotice): boolean => {
        this.sent.set(notice.t, (this.sent.get(notice.t) ?? 0) + 1)
        return mesh.send(this, to, notice)
      },
      traffic: (): number => 0,
      joined: (member: MemberInfo): void => log(`joined ${member.node}`),
      suspected: (member: string): void => log(`suspected ${member}`),
      recovered: (member: string): void => log(`recovered ${member}`),
      left: (member: string, why: string): void => {
        log(`${why} ${member}`)
        mesh.hangUp(this, member)
      },
      wanted: (member: MemberInfo): void => mesh.dial(this, member.node),
    }
    this.membership = new Membership(this.info, host, options, () => mesh.random.next())
  }

  get node(): string {
    return this.info.node
  }

  /** Living members in its view, in order of their names. */
  get view(): string[] {
    return this.membership
      .members()
      .filter(member => member.state === "alive")
      .map(member => member.info.node)
      .sort()
  }

  count(event: string): number {
    return this.events.filter(each => each.startsWith(event)).length
  }

  get total(): number {
    return [...this.sent.values()].reduce((sum, count) => sum + count, 0)
  }
}

/** Nodes, links and time, all by chance of one seed. */
export class VirtualMesh {
  now = 5_000
  readonly nodes = new Map<string, VirtualNode>()
  readonly options: MeshOptions = { loss: 0, delay: [1, 20] }
  readonly random: Random
  /** Which side of a cut network a node is on. */
  readonly sides = new Map<string, number>()
  private readonly dialling = new Set<string>()
  private readonly agenda = new Agenda()
  private readonly membership: Partial<MembershipOptions>

  constructor(random: Random, membership: Partial<MembershipOptions> = {}) {
    this.random = random
    this.membership = membership
  }

  add(node: string): VirtualNode {
    const added = new VirtualNode(this, node, this.membership)
    this.nodes.set(node, added)
    this.schedule(added)
    return added
  }

  /** Nodes that all know and have links to one another. */
  formed(count: number): VirtualNode[] {
    const nodes = Array.from({ length: count }, (_, i) => this.add(`n${i}`))
    for (const node of nodes.slice(1)) this.dial(node, "n0")
    this.run(5_000)
    for (const node of nodes) {
      node.events.length = 0
      node.sent.clear()
    }
    return nodes
  }

  at(delay: number, run: () => void): void {
    this.agenda.add(this.now + delay, run)
  }

  /** Lets time pass. */
  run(milliseconds: number): void {
    const end = this.now + milliseconds
    for (let next = this.agenda.take(end); next !== undefined; next = this.agenda.take(end)) {
      this.now = Math.max(this.now, next.at)
      next.run()
    }
    this.now = end
  }

  /** Lets time pass until this holds, and says how much has; Infinity = it did not within `most`. */
  until(holds: () => boolean, most: number, step = 50): number {
    for (let passed = 0; passed <= most; passed += step) {
      if (holds()) return passed
      this.run(step)
    }
    return Number.POSITIVE_INFINITY
  }

  reaches(a: VirtualNode, b: VirtualNode): boolean {
    return (this.sides.get(a.node) ?? 0) === (this.sides.get(b.node) ?? 0)
  }

  dial(from: VirtualNode, to: string): void {
    const target = this.nodes.get(to)
    if (target === undefined || target === from) return
    // Fabrics agree on one link when both sides dial at once.
    const pair = [from.node, to].sort().join()
    if (this.dialling.has(pair)) return
    this.dialling.add(pair)
    this.at(this.delay(), () => {
      const possible = from.running && target.running && !target.paused && this.reaches(from, target)
      if (!possible || (from.links.has(to) && target.links.has(from.node))) this.dialling.delete(pair)
      else {
        const link: Link = { ends: [from, target] }
        this.connect(from, target, target.membership.incarnation, link, true)
        this.connect(target, from, from.membership.incarnation, link, false)
        this.dialling.delete(pair)
      }
    })
  }

  hangUp(node: VirtualNode, peer: string): void {
    const link = node.links.get(peer)
    if (link === undefined) return
    this.down(node, peer, link)
    const other = this.nodes.get(peer)
    if (other !== undefined) this.at(this.delay(), () => this.reaches(node, other) && this.down(other, node.node, link))
  }

  send(from: VirtualNode, to: string, notice: MembershipNotice): boolean {
    const link = from.links.get(to)
    const target = this.nodes.get(to)
    if (link === undefined || target === undefined) return false
    if (this.random.chance(this.options.loss)) return true
    const bytes = JSON.stringify(notice)
    this.at(this.delay(), () => {
      if (!this.reaches(from, target) || !target.running) return
      // A connection that the other side does not have (any more) is reset.
      if (target.links.get(from.node) !== link) this.at(this.delay(), () => this.down(from, to, link))
      else this.on(target, () => target.membership.receive(from.node, JSON.parse(bytes), this.now))
    })
    return true
  }

  /** Gone without a word. `seen`: its system closes the connections, else nothing more is heard of it. */
  crash(node: VirtualNode, seen: boolean): void {
    node.running = false
    if (!seen) return
    for (const [peer, link] of node.links) {
      const other = this.nodes.get(peer) as VirtualNode
      this.at(this.delay(), () => this.down(other, node.node, link))
    }
  }

  pause(node: VirtualNode): void {
    node.paused = true
  }

  resume(node: VirtualNode): void {
    node.paused = false
    for (const run of node.waiting.splice(0)) run()
    node.ticking = Number.POSITIVE_INFINITY
    this.schedule(node)
  }

  private connect(node: VirtualNode, peer: VirtualNode, incarnation: number, link: Link, dialled: boolean): void {
    if (!node.running || !this.reaches(node, peer)) return
    this.on(node, () => {
      node.links.set(peer.node, link)
      if (!node.membership.linkUp(peer.info, incarnation, dialled, this.now)) this.hangUp(node, peer.node)
    })
  }

  private down(node: VirtualNode, peer: string, link: Link): void {
    if (!node.running) return
    this.on(node, () => {
      if (node.links.get(peer) !== link) return
      node.links.delete(peer)
      node.membership.linkDown(peer, this.now)
    })
  }

  private on(node: VirtualNode, run: () => void): void {
    if (node.paused) {
      node.waiting.push(() => this.on(node, run))
      return
    }
    run()
    this.schedule(node)
  }

  private delay(): number {
    return this.random.int(...(this.options.delay as [number, number]))
  }

  private schedule(node: VirtualNode): void {
    const at = Math.max(node.membership.nextTick(this.now), this.now)
    if (at >= node.ticking) return
    node.ticking = at
    this.agenda.add(at, () => {
      if (node.ticking !== at || !node.running || node.paused) return
      node.ticking = Number.POSITIVE_INFINITY
      node.membership.tick(this.now)
      this.schedule(node)
    })
  }
}

interface Entry {
  readonly at: number
  /** Entries of the same moment in the order in which they were made. */
  readonly order: number
  readonly run: () => void
}

/** A binary heap of what happens when. */
class Agenda {
  private readonly heap: Entry[] = []
  private order = 0

  add(at: number, run: () => void): void {
    const { heap } = this
    heap.push({ at, order: this.order++, run })
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1
      if (!this.swapped(parent, child)) break
      child = parent
    }
  }

  /** The next entry, if it is not after `end`. */
  take(end: number): Entry | undefined {
    const { heap } = this
    if (heap.length === 0 || heap[0].at > end) return undefined
    const first = heap[0]
    const last = heap.pop() as Entry
    if (heap.length > 0) {
      heap[0] = last
      for (let parent = 0; ; ) {
        let child = 2 * parent + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++
        if (!this.swapped(parent, child)) break
        parent = child
      }
    }
    return first
  }

  private swapped(parent: number, child: number): boolean {
    const { heap } = this
    if (!before(heap[child], heap[parent])) return false
    const entry = heap[parent]
    heap[parent] = heap[child]
    heap[child] = entry
    return true
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
