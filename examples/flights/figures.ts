import type { Flight } from "./records.ts"

/** What is computed of a set of flights. All of it can be added up in any order. */
export interface Figures {
  flights: number
  delay: number
  distance: number
  /** Sum of the record numbers and of their squares (modulo 2^32): a lost or doubled record changes at least one. */
  ids: number
  squares: number
}

export function noFigures(): Figures {
  return { flights: 0, delay: 0, distance: 0, ids: 0, squares: 0 }
}

export function count(figures: Figures, flight: Flight): void {
  figures.flights++
  figures.delay += flight.delay
  figures.distance += flight.distance
  figures.ids += flight.id
  figures.squares = (figures.squares + Math.imul(flight.id, flight.id)) >>> 0
}

export function add(total: Figures, more: Figures): void {
  total.flights += more.flights
  total.delay += more.delay
  total.distance += more.distance
  total.ids += more.ids
  total.squares = (total.squares + more.squares) >>> 0
}

export function equal(a: Figures, b: Figures): boolean {
  return (
    a.flights === b.flights &&
    a.delay === b.delay &&
    a.distance === b.distance &&
    a.ids === b.ids &&
    a.squares === b.squares
  )
}

export type ByRoute = Record<string, Figures>

export function routeOf(flight: Flight): string {
  return `${flight.origin}-${flight.destination}`
}

/** The figures of `route`, made when it is new. */
export function figuresOf(routes: ByRoute, route: string): Figures {
  routes[route] ??= noFigures()
  return routes[route]
}
