/**
 * The outlines of the states of the USA as one SVG path, and where an airport lies on it: TopoJSON of the npm package `vega-datasets`, and the
 * Albers projection that maps of the USA usually have, with Alaska and Hawaii in the corner.
 */
import { readFileSync } from "node:fs"
import { dataFile } from "./data.ts"

export const WIDTH = 960
export const HEIGHT = 600

interface Topology {
  readonly transform: { readonly scale: readonly [number, number]; readonly translate: readonly [number, number] }
  readonly arcs: readonly (readonly (readonly [number, number])[])[]
  readonly objects: { readonly states: { readonly geometries: readonly Geometry[] } }
}

/** Rings of numbers of arcs; negative = that arc backwards. */
type Geometry =
  | { readonly type: "Polygon"; readonly arcs: readonly (readonly number[])[] }
  | { readonly type: "MultiPolygon"; readonly arcs: readonly (readonly (readonly number[])[])[] }

export type Point = readonly [x: number, y: number]

type Projection = (longitude: number, latitude: number) => Point

const RADIANS = Math.PI / 180

/** Equal areas between two parallels (Snyder, Map Projections: A Working Manual, 1987, p. 100). */
function albers(
  parallels: readonly [number, number],
  meridian: number,
  latitude0: number,
  scale: number,
  at: Point,
): Projection {
  const sines = parallels.map(parallel => Math.sin(parallel * RADIANS))
  const n = (sines[0] + sines[1]) / 2
  const c = Math.cos(parallels[0] * RADIANS) ** 2 + 2 * n * sines[0]
  const radius = (latitude: number): number => Math.sqrt(c - 2 * n * Math.sin(latitude * RADIANS)) / n
  const radius0 = radius(latitude0)
  return (longitude, latitude) => {
    // The Aleutians reach beyond the antimeridian.
    const turn = longitude - meridian > 180 ? longitude - 360 : longitude
    const angle = n * (turn - meridian) * RADIANS
    const r = radius(latitude)
    return [at[0] + scale * r * Math.sin(angle), at[1] - scale * (radius0 - r * Math.cos(angle))]
  }
}

const MAINLAND = albers([29.5, 45.5], -96, 38, 1_150, [480, 300])
const ALASKA = albers([55, 65], -154, 58.5, 400, [140, 515])
const HAWAII = albers([8, 18], -157.5, 20.7, 1_150, [310, 545])

/** Null: it lies elsewhere (Puerto Rico, Guam...), and is not on the map. */
export function project(longitude: number, latitude: number): Point | null {
  if (latitude > 50) return ALASKA(longitude, latitude)
  if (longitude < -130 && latitude < 30) return longitude < -161 ? null : HAWAII(longitude, latitude)
  if (latitude < 24 || longitude > -60) return null
  return MAINLAND(longitude, latitude)
}

/** The `d` of an SVG path. Islands of less than two pixels are left out. */
export function outlines(): string {
  const { transform, arcs, objects } = JSON.parse(readFileSync(dataFile("us-10m.json"), "utf8")) as Topology
  const { scale, translate } = transform
  /** Points are stored as steps from the one before. */
  const lines = arcs.map(steps => {
    let x = 0
    let y = 0
    return steps.map(([dx, dy]): [number, number] => {
      x += dx
      y += dy
      return [x * scale[0] + translate[0], y * scale[1] + translate[1]]
    })
  })
  const rings = objects.states.geometries.flatMap(geometry =>
    geometry.type === "MultiPolygon" ? geometry.arcs.flat() : geometry.type === "Polygon" ? geometry.arcs : [],
  )
  return rings
    .map(ring => pathOf(ring.flatMap(index => (index < 0 ? lines[~index].toReversed() : lines[index]))))
    .join("")
}

function pathOf(ring: readonly (readonly [number, number])[]): string {
  const points: Point[] = []
  for (const [longitude, latitude] of ring) {
    const point = project(longitude, latitude)
    if (point === null) return ""
    const last = points.at(-1)
    if (last === undefined || Math.hypot(point[0] - last[0], point[1] - last[1]) > 0.8) points.push(point)
  }
  if (points.length < 4) return ""
  return `M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}Z`
}
