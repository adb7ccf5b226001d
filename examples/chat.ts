/**
 * N-to-N chat without a server: who runs it hears everybody. Run in several terminals: node dist/examples/chat.js NAME
 * Without a name and a terminal three people are started, and each is told what to say.
 */
import { createInterface } from "node:readline"
import { join } from "heddle"
import { ended, ownFolder, show, start } from "./support/processes.ts"

const [name = process.stdin.isTTY ? `guest ${process.pid}` : null] = process.argv.slice(2)
if (name === null) await script()
else await chat(name)

async function chat(me: string): Promise<void> {
  const fabric = await join("chat", { name: me })
  const present = fabric.peers
  fabric.events.on("join", ({ peer }) => console.log(`${me}: ${peer.name} is here`))
  fabric.events.on("leave", ({ peer }) => console.log(`${me}: ${peer.name} has left`))
  const room = fabric.subscribe("room.lobby", ({ fromName, data }) => {
    if (fromName !== me) console.log(`${me}: ${fromName} says: ${data}`)
  })
  // From now on we hear all that those who are here say.
  await room.ready
  for (const peer of present) console.log(`${me}: ${peer.name} is here`)
  for await (const line of createInterface({ input: process.stdin })) fabric.publish("room.lobby", line)
  await fabric.close()
}

async function script(): Promise<void> {
  ownFolder()
  const people = ["Ada", "Grace", "Edsger"].map(person => show(start(import.meta.url, person)))
  const heard = (text: string, times: number): Promise<unknown> =>
    Promise.all(
      people.map(
        ({ stdout }) =>
          new Promise<void>(resolve => {
            let output = ""
            stdout?.on("data", chunk => {
              output += chunk
              if (output.split(text).length > times) resolve()
            })
          }),
      ),
    )
  const met = heard("is here", 2)
  const talked = heard("says:", 2)
  await met
  for (const { stdin } of people) stdin?.write("hello, all\n")
  await talked
  const left = people.map(ended)
  for (const { stdin } of people) stdin?.end()
  await Promise.all(left)
}
