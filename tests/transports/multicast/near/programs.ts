import fs from "node:fs"
import { Program } from "../../../support/processes.ts"

const INDEX = new URL("../../../../index.js", import.meta.url).href

/** Messages are name of the sender, number, body; a body follows from its number. */
const HEAD = `
  const say = text => process.stdout.write(text + "\\n")
  const lines = []
  let wake = () => {}
  process.stdin.setEncoding("utf8").on("data", text => { lines.push(...text.trim().split("\\n")); wake() })
  process.stdin.on("end", () => process.exit())
  const told = async word => { while (!lines.includes(word)) await new Promise(resolve => { wake = resolve }) }
  const bodies = Array.from({ length: 256 }, (_none, index) => Buffer.alloc(20_000, index))
  const heard = new Map()
  // What one sender says, checked: numbers go up by one, and what is missing was told.
  const follow = socket => {
    socket.events.on("gap", ({ from, count }) => {
      const one = [...heard.values()].find(({ next }) => next === from)
      if (one === undefined) return say("WRONG gap of " + count + " from " + from)
      one.next += count
      one.missing += count
    })
    socket.consume(([first, second, body]) => {
      const name = String(first), number = Number(String(second))
      let one = heard.get(name)
      if (one === undefined) {
        heard.set(name, one = { from: number, next: number, missing: 0, received: 0, ended: false })
        // Behind its first report: the sender is to know it, whatever becomes of it then.
        setImmediate(say, "hears " + name)
      }
      if (number !== one.next) say("WRONG " + name + " " + number + " in place of " + one.next)
      one.next = number + 1
      one.received++
      if (body.length === 20_000 && !body.equals(bodies[number % 256])) say("WRONG body of " + number)
      if (number % 100 === 0) say("got " + name + " " + number)
      if (String(body) !== "end" || one.ended) return
      one.ended = true
      say("end of " + name + ": from " + one.from + ", received " + one.received + ", missing " + one.missing + ", next " + one.next)
    })
  }
  // Short ones until "go", then as fast as it may until "stop", then the end until "close".
  const speak = async (name, send, pace) => {
    let number = 0
    const until = async (word, body) => {
      while (!lines.includes(word)) {
        await send([name, String(number), body ?? bodies[number % 256]])
        number++
        if (body !== undefined) await new Promise(resolve => setTimeout(resolve, 20))
        else {
          if (number % 100 === 0) say("sent " + number)
          if (pace > 0 && number % pace === 0) await new Promise(resolve => setTimeout(resolve, 5))
          else if (number % 10 === 0) await new Promise(resolve => setImmediate(resolve))
        }
      }
    }
    await until("go", "hello")
    await until("stop")
    await until("close", "end")
  }
`

export function startSender(endpoint: string, name: string, options = "{}"): Program {
  return Program.start(`
    import { Publisher } from "${INDEX}"
    ${HEAD}
    const pub = new Publisher({ noDrop: true, ...${options} })
    pub.connect("${endpoint}")
    say("sender")
    await speak("${name}", message => pub.send(message), 0)
    await pub.close()
    say("closed")
  `)
}

/** `native`: with the addon. */
export function startReceiver(endpoint: string, options = "{}", native = true): Program {
  const module = `
    import { Subscriber } from "${INDEX}"
    ${HEAD}
    const sub = new Subscriber(${options})
    sub.subscribe()
    follow(sub)
    await sub.bind("${endpoint}")
    say("receiver")
    await told("close")
    await sub.close()
    say("closed")
  `
  return Program.start(module, undefined, native ? [] : ["env", "HEDDLE_NATIVE=off"])
}

/** Sends and receives. */
export function startBus(endpoint: string, name: string): Program {
  return Program.start(`
    import { Bus } from "${INDEX}"
    ${HEAD}
    const bus = new Bus()
    follow(bus)
    await bus.bind("${endpoint}")
    say("bus")
    // It drops what finds no room: few at a time.
    await speak("${name}", message => bus.send(message), 10)
    await bus.close()
    say("closed")
  `)
}

/** Reads along in the group, and says how many bytes of data came as datagrams. */
export function startSpy(group: string, port: number): Program {
  return Program.start(`
    import dgram from "node:dgram"
    ${HEAD}
    let bytes = 0
    const socket = dgram.createSocket({ type: "udp4", reuseAddr: true })
    socket.on("message", data => { if (data[3] === 1) bytes += data.length })
    socket.bind(${port}, "${group}", () => {
      socket.setRecvBufferSize(4 * 1024 * 1024)
      socket.addMembership("${group}", "127.0.0.1")
      say("spy")
    })
    await told("tell")
    say("bytes " + bytes)
  `)
}

/** Whether the process has memory open that it shares with others. */
export function shares(program: Program): boolean {
  return fs.readFileSync(`/proc/${program.child.pid}/maps`, "latin1").includes("/memfd:heddle ")
}

/** What a receiver has said of a sender when it heard its end. */
export async function endOf(
  program: Program,
  name: string,
): Promise<Record<"from" | "received" | "missing" | "next", number>> {
  const pattern = new RegExp(`end of ${name}: from (\\d+), received (\\d+), missing (\\d+), next (\\d+)\\n`)
  const [from, received, missing, next] = (await program.says(pattern)).slice(1).map(Number)
  return { from, received, missing, next }
}
