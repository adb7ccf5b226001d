import { connect, type Socket } from "node:net"
import type { Arguments } from "../../task.ts"
import type { Parent, Roles } from "../parent.ts"

/** ZMTP by hand, as a PUSH client with mechanism NULL: no library's client is measured along with a listener. */

const GREETING = Buffer.alloc(64)
Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1]).copy(GREETING)
GREETING.write("NULL", 12)

function command(name: string, body: Buffer): Buffer {
  const head = Buffer.from(name, "latin1")
  return Buffer.concat([Buffer.from([4, 1 + head.length + body.length, head.length]), head, body])
}

function property(name: string, value: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length)
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), length, Buffer.from(value)])
}

const READY = command("READY", property("Socket-Type", "PUSH"))

/** Handshakes under way at once: a listener's backlog is never the matter here. */
const AT_ONCE = 64

/** Resolves when the listener's READY is here; afterwards the client only answers pings. */
function open(port: number, host: string, onClose: () => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host)
    let rest = Buffer.alloc(0)
    let greeted = false
    let ready = false
    socket.on("error", reject)
    socket.on("close", () => {
      if (ready) onClose()
      else reject(new Error("closed in the handshake"))
    })
    socket.on("connect", () => socket.write(GREETING))
    socket.on("data", data => {
      rest = Buffer.concat([rest, data])
      if (!greeted && rest.length >= 64) {
        greeted = true
        rest = rest.subarray(64)
        socket.write(READY)
      }
      while (greeted && rest.length >= 2 && rest.length >= 2 + rest[1]) {
        const body = rest.subarray(2, 2 + rest[1])
        const name = body.toString("latin1", 1, 1 + body[0])
        rest = rest.subarray(2 + body.length)
        if (name === "READY") {
          ready = true
          resolve(socket)
        } else if (name === "PING") {
          // Context after the name and two octets of time to live (RFC 37).
          socket.write(command("PONG", body.subarray(1 + 4 + 2)))
        } else if (name === "ERROR") {
          reject(new Error(`refused: ${body.toString("latin1", 6)}`))
        }
      }
    })
  })
}

/** Each line of the parent is a number of further connections; the answer says how many there are and were lost. */
async function clients(task: Arguments, parent: Parent): Promise<void> {
  const { hostname, port } = new URL(task.text("endpoint"))
  let opened = 0
  let lost = 0
  const more = async (count: number) => {
    let left = count
    const openSome = async () => {
      while (left-- > 0) {
        await open(Number(port), hostname, () => lost++)
        opened++
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, openSome))
  }
  parent.onLine(line => {
    more(Number(line)).then(
      () => parent.result({ open: opened - lost, lost }),
      error => parent.failed(error),
    )
  })
  parent.ready(null)
  await parent.gone
}

export const roles: Roles = { clients }
