/**
 * A day of flights over the United States, live on a map in a page: real records of the npm package `vega-datasets`, one node, any number of pages.
 * Run: node dist/examples/live-map/main.js [PORT]
 */
import { listenAt } from "../support/page.ts"
import { check } from "./check.ts"
import { startMap } from "./node.ts"

/** Minutes of the day that pass in a second: a day takes five minutes. */
const SPEED = 4

const [argument] = process.argv.slice(2)

if (argument === "--check") await check()
else {
  const map = await startMap(listenAt(argument), SPEED)
  console.log(`map at ${map.node.edgeEndpoints[0].replace("ws", "http")} - Ctrl-C ends it`)
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void map.close())
}
