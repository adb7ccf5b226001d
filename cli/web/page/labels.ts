import type { Point } from "./ring.ts"

/** A name beside a node. */
export interface Label {
  readonly at: Point
  readonly radius: number
  readonly text: string
  /** The higher ones get their places first. */
  readonly weight: number
}

export interface Placed {
  readonly x: number
  /** Of the two lines. */
  readonly first: number
  readonly second: number
  readonly anchor: "start" | "middle" | "end"
  /** There is no room for it. */
  readonly hidden: boolean
}

/** Of a letter, on average, and of two lines: bold, 12 px. */
export const LETTER = 7.4
const LINE = 13
const GAP = 9

interface Box {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/**
 * Where names stand: outside of the ring, an ellipse of these radii, where no links are. Of two that would lie on each other the one of less
 * weight is hidden.
 */
export function placeLabels(labels: readonly Label[], middle: Point, radii: readonly [number, number]): Placed[] {
  const taken: Box[] = labels.map(({ at: { x, y }, radius }) => boxOf(x - radius, y - radius, 2 * radius, 2 * radius))
  const order = [...labels.keys()].sort((a, b) => labels[b].weight - labels[a].weight)
  const placed: Placed[] = []
  for (const i of order) {
    const { at, radius, text } = labels[i]
    const [across, down] = labels.length === 1 ? [0, 1] : outwards(at, middle, radii)
    const side = Math.abs(across) < 0.35 ? 0 : Math.sign(across)
    const x = across * (radius + GAP)
    // The middle of the two lines: beside a node at its height, above and below so that they touch it as little.
    const y = down * (radius + GAP + LINE * Math.abs(down))
    const width = text.length * LETTER
    const left = side === 0 ? x - width / 2 : side > 0 ? x : x - width
    const box = boxOf(at.x + left, at.y + y - LINE, width, 2 * LINE)
    const hidden = taken.some((one, other) => other !== i && overlap(one, box))
    if (!hidden) taken.push(box)
    const anchor = side === 0 ? "middle" : side > 0 ? "start" : "end"
    placed[i] = { x, first: y - 3, second: y + LINE - 3, anchor, hidden }
  }
  return placed
}

/** The direction that leads out of an ellipse at a point of it. */
function outwards({ x, y }: Point, middle: Point, [across, down]: readonly [number, number]): [number, number] {
  const [dx, dy] = [(x - middle.x) / across ** 2, (y - middle.y) / down ** 2]
  const length = Math.hypot(dx, dy)
  return length > 0 && Number.isFinite(length) ? [dx / length, dy / length] : [0, 1]
}

function boxOf(left: number, top: number, width: number, height: number): Box {
  return { left, top, right: left + width, bottom: top + height }
}

function overlap(one: Box, other: Box): boolean {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom
}
