import { connect } from "/heddle-browser.js"

const find = id => document.getElementById(id)
const canvas = find("sky")
const context = canvas.getContext("2d")
/** Rows of the table. */
const ROWS = 18
/** Part of its way that a flight leaves behind it as a line. */
const TRAIL = 0.12

const fabric = await connect(location.origin.replace(/^http/, "ws"))
const { data: map } = await fabric.request("map", null)
const land = new Path2D(map.outlines)
/** By id: what was in the air before and what takes off now may be told twice. */
let flights = new Map()
/** Minutes of the day, and when it was so: in between the page counts itself. */
let clock = { minutes: 0, at: performance.now() }
let subscriptions = []

for (const { code, city, flights } of map.airports.slice(0, 60)) {
  const option = document.createElement("option")
  option.value = code
  option.textContent = `${code} ${city} (${flights})`
  find("airport").append(option)
}
find("airport").addEventListener("change", follow)

fabric.subscribe("clock", tick, { history: "last", policy: "conflate" })
for (const type of ["resuming", "resumed", "closed"]) fabric.events.on(type, status)
// A node that was started anew begins another day.
fabric.events.on("resumed", ({ lost }) => lost && follow())
status()
let color = colors()
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  color = colors()
})
await follow()
requestAnimationFrame(draw)

/** Of the style sheet, light or dark. A custom property keeps `light-dark()` as text; a real one resolves it. */
function colors() {
  const probe = document.createElement("i")
  document.body.append(probe)
  const names = ["early", "late", "later", "land", "border"]
  const found = names.map(name => {
    probe.style.color = `var(--${name})`
    return [name, getComputedStyle(probe).color]
  })
  probe.remove()
  return Object.fromEntries(found)
}

/** What the page shows is what it subscribes to: nothing else comes over the wire. */
async function follow() {
  const airport = find("airport").value
  for (const subscription of subscriptions) subscription.unsubscribe()
  flights = new Map()
  find("departures").replaceChildren()
  const patterns = airport === "" ? ["flights.>"] : [`flights.${airport}.*`, `flights.*.${airport}`]
  const mine = patterns.map(pattern => fabric.subscribe(pattern, ({ data }) => takeOff(data)))
  subscriptions = mine
  await Promise.all(mine.map(({ ready }) => ready))
  const { data: air } = await fabric.request("in.the.air", null)
  if (subscriptions !== mine) return
  for (const flight of air)
    if (airport === "" || flight.origin === airport || flight.destination === airport) flights.set(flight.id, flight)
}

function takeOff(flight) {
  flights.set(flight.id, flight)
  const row = document.createElement("tr")
  const delay = flight.delay > 0 ? `+${flight.delay}` : `${flight.delay}`
  for (const text of [time(flight.departs), flight.origin, flight.destination, delay]) {
    const cell = document.createElement("td")
    cell.textContent = text
    row.append(cell)
  }
  row.lastChild.className = kind(flight)
  const rows = find("departures")
  rows.prepend(row)
  while (rows.children.length > ROWS) rows.lastChild.remove()
}

function tick({ data }) {
  clock = { minutes: data.minutes, at: performance.now() }
  find("clock").textContent = time(data.minutes)
  find("air").textContent = `${data.air} in the air, ${flights.size} on this map`
}

function status() {
  find("status").textContent =
    { open: `live from ${fabric.node}`, resuming: "connection lost, trying again" }[fabric.status] ?? fabric.status
  find("status").dataset.status = fabric.status
}

const kind = ({ delay }) => (delay > 60 ? "later" : delay > 15 ? "late" : "early")

function time(minutes) {
  const two = number => String(Math.floor(number)).padStart(2, "0")
  return `${two((minutes / 60) % 24)}:${two(minutes % 60)}`
}

function draw() {
  const { clientWidth, clientHeight } = canvas
  const ratio = devicePixelRatio
  if (canvas.width !== Math.round(clientWidth * ratio)) {
    canvas.width = Math.round(clientWidth * ratio)
    canvas.height = Math.round(clientHeight * ratio)
  }
  context.setTransform(canvas.width / map.width, 0, 0, canvas.height / map.height, 0, 0)
  context.clearRect(0, 0, map.width, map.height)
  context.fillStyle = color.land
  context.strokeStyle = color.border
  context.lineWidth = 0.6
  context.fill(land)
  context.stroke(land)
  const now = clock.minutes + ((performance.now() - clock.at) / 1000) * map.speed
  for (const flight of flights.values()) {
    const part = (now - flight.departs) / (flight.lands - flight.departs)
    if (part >= 1) flights.delete(flight.id)
    else if (part > 0) plane(flight, part, color[kind(flight)])
  }
  requestAnimationFrame(draw)
}

function plane(flight, part, color) {
  const [x, y] = along(flight, part)
  const [tailX, tailY] = along(flight, Math.max(0, part - TRAIL))
  context.strokeStyle = color
  context.fillStyle = color
  context.globalAlpha = 0.35
  context.lineWidth = 0.9
  context.beginPath()
  context.moveTo(tailX, tailY)
  context.lineTo(x, y)
  context.stroke()
  context.globalAlpha = 1
  context.beginPath()
  context.arc(x, y, 2, 0, 2 * Math.PI)
  context.fill()
}

/** Ways are bent a little, so that there and back do not lie on one another. */
function along({ from, to }, part) {
  const bend = 0.12 * 4 * part * (1 - part)
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]]
  return [from[0] + dx * part + (dy * bend) / 2, from[1] + dy * part - (dx * bend) / 2]
}
