/** Publishes flight records at a steady rate. Arguments: its name, its number from 0, how many publishers there are. */
import { join } from "heddle"
import { readPart } from "../flights/records.ts"
import type { Demo } from "./subjects.ts"

const RATE = 2_500 // messages a second
const TICK = 10 // milliseconds
const RECORDS = 20_000 // then from the first again

const [name, number, publishers] = process.argv.slice(2)
const fabric = await join<Demo>("demo", { name })
const start = Number(number) * RECORDS
const flights = await readPart({ start, end: start + RECORDS })
let published = 0
let timer: NodeJS.Timeout | undefined

fabric.events.on("down", ({ peer }) => fabric.publish("seen.down", peer.name))

fabric.serve("publishers.go", () => {
  const began = performance.now()
  timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * RATE
    for (; published < due; published++) {
      const flight = flights[published % RECORDS]
      const id = published * Number(publishers) + Number(number)
      fabric.publish(`flight.${flight.origin}`, { ...flight, id })
    }
  }, TICK)
  return null
})

fabric.serve("publishers.stop", async () => {
  clearInterval(timer)
  await fabric.flush()
  return published
})

process.once("SIGTERM", () => void fabric.drain())
