import type { FabricSurvey, NodeStats, PeerView } from "heddle"
import { type FabricRates, type NodeRates, Rates } from "../fabric/rates.ts"
import { Links } from "./links.ts"
import { type Loss, Losses, slowOf } from "./losses.ts"
import type { LinkView, NodeState, NodeView, Sheet, TakerView } from "./sheet.ts"

/** What a page can show: beyond it, the busiest are told and the rest is counted. About 100 kB of JSON at most. */
const MOST_NODES = 150
const MOST_LINKS = 600
const MOST_SUBJECTS = 200

/** Takers in all nodes together, so that a sheet of many nodes does not grow by lists that nobody has open. */
const MOST_TAKERS = 300

/** What is left of subjects, patterns and names: as much as a line has room for. */
const LONGEST = 200

/** From what all nodes tell again and again to what a page shows. */
export class Overview {
  private readonly rates = new Rates()
  private readonly links = new Links()
  private readonly losses = new Losses()
  private silent = new Set<string>()

  /**
   * `self`: the node that asks, which is not shown. `now`: milliseconds of `performance.now`. The sheet is null the first time, when there are
   * no rates.
   */
  update(
    survey: FabricSurvey,
    peers: readonly PeerView[],
    self: string,
    now: number,
  ): { sheet: Sheet | null; losses: Loss[] } {
    const nodes = survey.nodes.filter(({ node }) => node !== self)
    const first = this.rates.update({ nodes, silent: survey.silent }, now)
    const rates = first ?? NO_RATES
    const links = this.links.update(nodes, self, now)
    const { drops, losses } = this.losses.update(nodes, now)
    losses.push(...this.silence(survey))
    // Nobody there is something to show at once, too.
    if (first === null && nodes.length > 0) return { sheet: null, losses }
    const views = nodeViews(nodes, rates.nodes, survey, peers, links)
    const shown = views.sort((a, b) => traffic(b) - traffic(a)).slice(0, MOST_NODES)
    const ids = new Set(shown.map(({ id }) => id))
    const visible = links.filter(({ a, b }) => ids.has(a) && ids.has(b)).sort((a, b) => weight(b) - weight(a))
    const sheet: Sheet = {
      at: Date.now(),
      published: rates.published,
      bytesSent: rates.bytesSent,
      dropped: rates.dropped,
      nodes: shown.sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1)),
      links: visible.slice(0, MOST_LINKS),
      subjects: rates.subjects.slice(0, MOST_SUBJECTS).map(one => ({ ...one, subject: one.subject.slice(0, LONGEST) })),
      slow: slowOf(nodes, self),
      drops,
      more: {
        nodes: views.length - shown.length,
        links: Math.max(0, visible.length - MOST_LINKS),
        subjects: Math.max(0, rates.subjects.length - MOST_SUBJECTS),
      },
    }
    return { sheet, losses }
  }

  /** Nodes that have fallen silent, or speak again. */
  private silence({ nodes, silent }: FabricSurvey): Loss[] {
    const before = this.silent
    this.silent = new Set(silent.map(({ node }) => node))
    const fallen = silent.filter(({ node }) => !before.has(node))
    const back = nodes.filter(({ node }) => before.has(node))
    return [
      ...fallen.map(({ name, why }): Loss => ({ type: "silent", name, text: `does not tell how it is: ${why}` })),
      ...back.map(({ name }): Loss => ({ type: "recover", name, text: "tells how it is again" })),
    ]
  }
}

const NO_RATES: FabricRates = { published: 0, bytesSent: 0, dropped: 0, nodes: [], subjects: [], silent: [] }

function nodeViews(
  nodes: readonly NodeStats[],
  rates: readonly NodeRates[],
  { silent }: FabricSurvey,
  peers: readonly PeerView[],
  links: readonly LinkView[],
): NodeView[] {
  const byId = new Map(nodes.map(one => [one.node, one]))
  const peerOf = new Map(peers.map(peer => [peer.node, peer]))
  const slow = new Set(links.filter(({ state }) => state === "slow").flatMap(({ a, b }) => [a, b]))
  const share = Math.floor(MOST_TAKERS / Math.max(1, nodes.length))
  const views = rates.map((rate): NodeView => {
    const peer = peerOf.get(rate.node)
    const stats = byId.get(rate.node) as NodeStats
    const { node: id, name, messagesSent: sent, messagesReceived: received, bytesSent, bytesReceived, ...rest } = rate
    return {
      ...rest,
      id,
      name: name.slice(0, LONGEST),
      ...stateOf(peer, slow.has(id), rate.dropped),
      distance: peer?.distance ?? "",
      sent,
      received,
      bytesOut: bytesSent,
      bytesIn: bytesReceived,
      clients: stats.stats.clients.length,
      takers: takersOf(stats, share),
    }
  })
  for (const { node: id, name, why } of silent) {
    const peer = peerOf.get(id)
    const down = peer !== undefined && peer.state !== "up"
    views.push({
      ...NOTHING,
      id,
      name: name.slice(0, LONGEST),
      pid: peer?.pid ?? 0,
      state: down ? "down" : peer?.member === "suspect" ? "suspect" : "silent",
      why: why.slice(0, LONGEST),
      distance: peer?.distance ?? "",
    })
  }
  return views
}

function stateOf(peer: PeerView | undefined, slow: boolean, dropped: number): { state: NodeState; why: string } {
  if (peer?.state === "down" || peer?.state === "lapsed") return { state: "down", why: "its connection is broken" }
  if (peer?.member === "suspect") return { state: "suspect", why: "it does not answer probes" }
  if (dropped > 0) return { state: "slow", why: "it drops messages" }
  return { state: slow ? "slow" : "up", why: slow ? "messages wait on one of its links" : "" }
}

const NOTHING = {
  cpu: 0,
  memory: 0,
  sent: 0,
  received: 0,
  bytesOut: 0,
  bytesIn: 0,
  dropped: 0,
  queued: 0,
  requests: 0,
  tasks: 0,
  clients: 0,
  roundTrip: 0,
  takers: [],
}

function takersOf({ stats }: NodeStats, most: number): TakerView[] {
  return [...stats.takers]
    .sort((a, b) => b.queued - a.queued || b.handled - a.handled)
    .slice(0, most)
    .map(({ kind, pattern, queue, handled, queued, dropped }) => ({
      kind,
      pattern: pattern.slice(0, LONGEST),
      queue: queue.slice(0, LONGEST),
      handled,
      queued,
      dropped,
    }))
}

/** Before anything that is counted; finite, so that differences are numbers. */
const FIRST = Number.MAX_VALUE

/** What is wrong must not be left out for what is busy. */
function traffic({ sent, received, state }: NodeView): number {
  return state === "up" ? sent + received : FIRST
}

function weight({ there, back, state }: LinkView): number {
  return state === "up" ? there + back : FIRST
}
