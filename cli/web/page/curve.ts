import { put, svg } from "./dom.ts"

/** Points of a curve, as the server keeps them. */
export const POINTS = 60

const HEIGHT = 20

/** A curve of the last minute. The figures stand beside it: for screen readers it is no content. */
export class Curve {
  readonly element: SVGSVGElement
  private readonly line = svg("path", { class: "line" })
  private readonly area = svg("path", { class: "area" })

  constructor() {
    this.element = svg("svg", {
      class: "curve",
      viewBox: `0 0 ${POINTS - 1} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    })
    this.element.append(this.area, this.line)
  }

  draw(values: readonly number[]): void {
    const most = Math.max(...values, Number.MIN_VALUE)
    // The newest is at the right, also where there are few.
    const from = POINTS - values.length
    const points = values.map((value, i) => `${from + i} ${(HEIGHT - 1 - (value / most) * (HEIGHT - 2)).toFixed(1)}`)
    const path = points.length < 2 ? "" : `M${points.join("L")}`
    put(this.line, { d: path })
    put(this.area, { d: path === "" ? "" : `${path}V${HEIGHT}H${from}Z` })
  }
}

/** Adds a point, and keeps as many as a curve has. */
export function append(curve: number[], value: number): void {
  curve.push(value)
  if (curve.length > POINTS) curve.shift()
}
