/** Real flights: those that the npm package `vega-datasets` ships, with the places of the airports. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { type Point, project } from "./map.ts"

/** The package exports its code only; the data lies beside it. */
export function dataFile(name: string): string {
  return fileURLToPath(new URL(`../data/${name}`, import.meta.resolve("vega-datasets")))
}

export interface Airport {
  readonly code: string
  readonly city: string
  readonly at: Point
}

/** Times in minutes of the day of its departure, as the file has them: of the airport's own zone. */
export interface Flight {
  readonly id: number
  readonly origin: string
  readonly destination: string
  readonly departs: number
  readonly lands: number
  /** Minutes; negative = early. */
  readonly delay: number
}

/** Cruising speed and the time on the ground and in the climb: what an airliner of 2001 took, near enough for a map. */
const MILES_A_MINUTE = 7.7
const EXTRA_MINUTES = 25

/** By IATA code: those on the map. */
export function airports(): Map<string, Airport> {
  const [head, ...rows] = readFileSync(dataFile("airports.csv"), "utf8").trim().split("\n").map(cells)
  const column = Object.fromEntries(head.map((name, index) => [name, index]))
  const found = new Map<string, Airport>()
  for (const row of rows) {
    const at = project(Number(row[column.longitude]), Number(row[column.latitude]))
    if (at !== null) found.set(row[column.iata], { code: row[column.iata], city: row[column.city], at })
  }
  return found
}

/** In the order of their departure, as if the days of the file were one: some 20,000 flights between airports that are on the map. */
export function flights(known: ReadonlyMap<string, Airport>): Flight[] {
  const rows = JSON.parse(readFileSync(dataFile("flights-20k.json"), "utf8")) as {
    date: string
    delay: number
    distance: number
    origin: string
    destination: string
  }[]
  return rows
    .filter(({ origin, destination }) => known.has(origin) && known.has(destination))
    .map(({ date, delay, distance, origin, destination }, id) => {
      const [hours, minutes] = date.slice(11).split(":").map(Number)
      const departs = hours * 60 + minutes
      return { id, origin, destination, delay, departs, lands: departs + EXTRA_MINUTES + distance / MILES_A_MINUTE }
    })
    .sort((a, b) => a.departs - b.departs)
}

/** The cells of a line of CSV; those with commas are in quotes. */
function cells(line: string): string[] {
  return [...line.trim().matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(match => match[1] ?? match[2])
}
