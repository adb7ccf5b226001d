/** The map without a page: what its script does, in this process. On Node 22 the global WebSocket would do in the place of `ws`. */
import { connect, type Exchange } from "heddle/browser"
import { WebSocket } from "ws"
import { type MapAnswer, startMap, type TakeOff } from "./node.ts"

interface Sky {
  "flights.*.*": TakeOff
  map: Exchange<null, MapAnswer>
  "in.the.air": Exchange<null, TakeOff[]>
}

export async function check(): Promise<void> {
  const map = await startMap("ws://127.0.0.1:0", 120)
  const page = await connect<Sky>(map.node.edgeEndpoints[0], { webSocket: WebSocket })
  const { data } = await page.request("map", null)
  const [busiest] = data.airports
  console.log(`${data.airports.length} airports, the busiest is ${busiest.code} (${busiest.city})`)
  console.log(`outlines: ${data.outlines.length > 50_000 && data.outlines.startsWith("M") ? "a path" : "missing"}`)
  let right = 0
  for await (const { subject, data } of page.subscribe(`flights.${busiest.code}.*` as const, { max: 20 })) {
    const inside = [data.from, data.to].every(([x, y]) => x >= 0 && x <= 960 && y >= 0 && y <= 600)
    if (inside && data.lands > data.departs && subject === `flights.${busiest.code}.${data.destination}`) right++
  }
  console.log(`${right} of 20 flights from ${busiest.code} are on the map`)
  const air = await page.request("in.the.air", null)
  console.log(`in the air: ${air.data.length > 0 ? "many" : "nobody"}`)
  await page.close()
  await map.close()
}
