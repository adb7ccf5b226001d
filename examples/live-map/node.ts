/**
 * The node of the map: it flies a day of 2001 again, so many minutes a second. Flights are published as they take off (`flights.ORIGIN.DESTINATION`), so that a
 * page that wants one airport only subscribes to `flights.ATL.*` and `flights.*.ATL`; what the map looks like is a request.
 */
import { type Fabric, join } from "heddle"
import { pageFiles } from "../support/page.ts"
import { type Airport, airports, type Flight, flights } from "./data.ts"
import { HEIGHT, outlines, WIDTH } from "./map.ts"

/** What stands in `flights.ORIGIN.DESTINATION`. Times in minutes of the day. */
export interface TakeOff extends Flight {
  /** Where on the map. */
  readonly from: Airport["at"]
  readonly to: Airport["at"]
}

/** What `map` answers. */
export interface MapAnswer {
  readonly width: number
  readonly height: number
  /** Path of an SVG. */
  readonly outlines: string
  /** Minutes of the day that pass in a second. */
  readonly speed: number
  /** With the most flights first. */
  readonly airports: readonly (Airport & { readonly flights: number })[]
}

const DAY = 24 * 60
/** Where the day begins: before seven there is hardly anybody in the air. */
const MORNING = 7 * 60
/** Milliseconds between two looks at the clock. */
const TICK = 50

export interface LiveMap {
  readonly node: Fabric
  close(): Promise<void>
}

export async function startMap(listen: string, speed: number): Promise<LiveMap> {
  const known = airports()
  const day = flights(known)
  const answer = mapOf(known, day, speed)
  const node = await join("live-map", {
    name: "the tower",
    discovery: [],
    edge: {
      listen,
      files: pageFiles("live-map"),
      subscribe: ["flights.>", "clock"],
      request: ["map", "in.the.air"],
    },
  })
  const takeOffOf = (flight: Flight): TakeOff => {
    const [from, to] = [flight.origin, flight.destination].map(code => (known.get(code) as Airport).at)
    return { ...flight, from, to }
  }
  const air = day.filter(({ departs, lands }) => departs < MORNING && lands > MORNING).map(takeOffOf)
  node.serve("map", () => answer)
  // Who comes in the middle of the day sees who is in the air already.
  node.serve("in.the.air", () => air)
  node.keep("clock", { last: 1 })
  const began = performance.now()
  let next = day.findIndex(({ departs }) => departs >= MORNING)
  let second = -1
  const timer = setInterval(() => {
    const seconds = (performance.now() - began) / 1_000
    const now = MORNING + seconds * speed
    for (; next < day.length && day[next].departs <= now; next++) {
      const takeOff = takeOffOf(day[next])
      air.push(takeOff)
      node.publish(`flights.${takeOff.origin}.${takeOff.destination}`, takeOff)
    }
    if (Math.floor(seconds) === second) return
    second = Math.floor(seconds)
    for (let i = air.length - 1; i >= 0; i--) if (air[i].lands < now) air.splice(i, 1)
    node.publish("clock", { minutes: now, air: air.length, pages: node.stats().edge?.clients ?? 0 })
    if (now >= DAY && air.length === 0) clearInterval(timer)
  }, TICK)
  return {
    node,
    close: () => {
      clearInterval(timer)
      return node.close()
    },
  }
}

function mapOf(known: ReadonlyMap<string, Airport>, day: readonly Flight[], speed: number): MapAnswer {
  const counts = new Map<string, number>()
  for (const { origin } of day) counts.set(origin, (counts.get(origin) ?? 0) + 1)
  const list = [...counts].sort((a, b) => b[1] - a[1])
  return {
    width: WIDTH,
    height: HEIGHT,
    outlines: outlines(),
    speed,
    airports: list.map(([code, count]) => ({ ...(known.get(code) as Airport), flights: count })),
  }
}
