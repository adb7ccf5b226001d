import { compare } from "./format.ts"

export interface Point {
  x: number
  y: number
}

/** Room for the names at the left and at the right of a picture. */
export function sideOf(width: number): number {
  return Math.min(180, width * 0.28)
}

/** Room for names above and below. */
const ABOVE = 60

interface Place {
  readonly name: string
  angle: number
}

/**
 * Where nodes stand: on a ring, in an order that stays. In a fabric each node is linked with each, so that forces would find no better
 * place for one than for another; a ring lets each link be seen. Who comes stands beside its namesakes, the others make room.
 */
export class Ring {
  private order: string[] = []
  private readonly places = new Map<string, Place>()

  /** Angles that nodes shall have, from the top clockwise. True: some have changed. */
  update(nodes: readonly { readonly id: string; readonly name: string }[]): boolean {
    const here = new Set(nodes.map(({ id }) => id))
    const before = this.order.join()
    this.order = this.order.filter(id => here.has(id))
    for (const id of this.places.keys()) if (!here.has(id)) this.places.delete(id)
    for (const { id, name } of nodes) {
      if (this.places.has(id)) continue
      this.places.set(id, { name, angle: 0 })
      const at = this.order.findIndex(one => compare((this.places.get(one) as Place).name, name) > 0)
      this.order.splice(at === -1 ? this.order.length : at, 0, id)
    }
    for (const [at, id] of this.order.entries()) {
      const place = this.places.get(id) as Place
      place.angle = (at / this.order.length) * 2 * Math.PI - Math.PI / 2
    }
    return before !== this.order.join()
  }

  /** Pixels from one node to the next, more or less: circles must not be larger. */
  spacing(width: number, height: number): number {
    const [across, down] = this.radii(width, height)
    return (Math.PI * (across + down)) / Math.max(1, this.order.length)
  }

  get ids(): readonly string[] {
    return this.order
  }

  /** On an ellipse in a rectangle with room for names at its sides. */
  pointOf(id: string, width: number, height: number): Point {
    const angle = this.places.get(id)?.angle ?? 0
    if (this.order.length === 1) return { x: width / 2, y: height / 2 }
    const [across, down] = this.radii(width, height)
    return { x: width / 2 + Math.cos(angle) * across, y: height / 2 + Math.sin(angle) * down }
  }

  /** Of the ellipse: across and down. */
  radii(width: number, height: number): [number, number] {
    return [Math.max(0, width / 2 - sideOf(width)), Math.max(0, height / 2 - ABOVE)]
  }
}
