import { connect } from "/heddle-browser.js"

const find = id => document.getElementById(id)
const rooms = ["lobby", "weaving", "music"]
/** More lines than these are taken off the top. */
const MOST = 500

let fabric = null
let me = ""
let here = null

find("name").focus()
find("entry").addEventListener("submit", async event => {
  event.preventDefault()
  me = find("name").value
  find("refusal").textContent = ""
  try {
    fabric = await connect(location.origin.replace(/^http/, "ws"), { token: me })
  } catch (error) {
    find("refusal").textContent = error.message
    return
  }
  watch()
  find("entry").remove()
  find("chat").hidden = false
  fabric.subscribe("people", ({ data }) => find("people").replaceChildren(...data.map(name => item(name))), {
    history: "last",
  })
  enter("lobby")
})

find("say").addEventListener("submit", event => {
  event.preventDefault()
  const [input] = event.target
  // Without a connection it waits for the next one, in order, as long as there is room.
  const { taken } = fabric.publish(`say.${here.room}.${me}`, input.value)
  if (taken) input.value = ""
  else note("not sent: too much is waiting for a connection")
  status()
})

find("another").addEventListener("submit", event => {
  event.preventDefault()
  const [input] = event.target
  if (!rooms.includes(input.value)) rooms.push(input.value)
  enter(input.value)
  input.value = ""
})

function enter(room) {
  here?.subscription.unsubscribe()
  find("messages").replaceChildren()
  find("room").textContent = room
  here = { room, subscription: fabric.subscribe(`rooms.${room}`, ({ data }) => show(data), { history: 20 }) }
  find("rooms").replaceChildren(
    ...rooms.map(name => {
      const button = document.createElement("button")
      button.type = "button"
      button.textContent = name
      button.setAttribute("aria-current", String(name === room))
      button.addEventListener("click", () => enter(name))
      return item(button)
    }),
  )
  find("say").elements[0].focus()
}

function watch() {
  const { events } = fabric
  events.on("resuming", status)
  events.on("resumed", ({ lost }) => {
    // A node that was started anew: what it kept comes again.
    if (lost) find("messages").replaceChildren()
    status()
  })
  events.on("gap", ({ count }) => note(count === null ? "some messages are missing" : `${count} messages are missing`))
  events.on("error", ({ error }) => note(error.message))
  events.on("closed", status)
  setInterval(status, 1000)
  status()
}

function status() {
  const { waiting } = fabric
  const text = { open: `connected to ${fabric.node}`, resuming: "connection lost, trying again", closed: "closed" }[
    fabric.status
  ]
  find("status").textContent = waiting > 0 ? `${text}; ${waiting} waiting` : text
  find("status").dataset.status = fabric.status
}

function show({ from, text, at }) {
  const name = document.createElement("b")
  name.textContent = from
  const time = document.createElement("time")
  time.dateTime = new Date(at).toISOString()
  time.textContent = new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
  add(item(name, text, time), from === me ? "own" : "")
}

function note(text) {
  add(item(text), "note")
}

function add(line, kind) {
  const list = find("messages")
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40
  line.className = kind
  list.append(line)
  while (list.children.length > MOST) list.firstChild.remove()
  if (atEnd) list.scrollTop = list.scrollHeight
}

/** Text only: what others say is never taken for HTML. */
function item(...parts) {
  const line = document.createElement("li")
  line.append(...parts)
  return line
}
