import assert from "node:assert/strict"
import type { ControlName, Gap, Message, Pattern, Pipe } from "../../core/contract.ts"
import { LoadBalancer } from "../../core/load-balancer.ts"
import { type PipeOptions, type PipeOwner, SocketPipe } from "../../core/pipe.ts"
import { FakeConnection } from "../support/fake-connection.ts"

class Notebook implements Pattern, PipeOwner {
  readonly steps: string[] = []
  onOnline: ((pipe: Pipe) => void) | null = null
  onWritable: ((pipe: Pipe) => void) | null = null

  attach(): void {
    this.steps.push("attach")
  }
  online(pipe: Pipe): void {
    this.steps.push("online")
    this.onOnline?.(pipe)
  }
  offline(): void {
    this.steps.push("offline")
  }
  receive(_pipe: Pipe, message: Message): void {
    this.steps.push(`receive ${message.join("|")}`)
  }
  control(_pipe: Pipe, name: ControlName, body: Buffer): void {
    this.steps.push(`${name} ${body}`)
  }
  writable(pipe: Pipe): void {
    this.steps.push("writable")
    this.onWritable?.(pipe)
  }
  detach(): void {
    this.steps.push("detach")
  }
  connectionClosed(_pipe: SocketPipe, reason: Error | undefined): void {
    this.steps.push(`closed ${reason?.message ?? "in order"}`)
  }
  finished(): void {
    this.steps.push("finished")
  }
  missed(_pipe: SocketPipe, { sender, from }: Gap, count: number): void {
    this.steps.push(`missed ${count} from ${from} of ${sender}`)
  }
  refused(_pipe: SocketPipe, reason: Error): void {
    this.steps.push(`refused ${reason.message}`)
  }
}

const make = (options: PipeOptions = { sendHighWaterMark: 4 }) => {
  const notes = new Notebook()
  const pipe = new SocketPipe(notes, options, notes)
  const send = (text: string): boolean => pipe.send([Buffer.from(text)])
  return { notes, pipe, send }
}

/** Takes frames without a list. */
class FramesConnection extends FakeConnection {
  sendFrame(frame: Buffer): boolean {
    this.sent.push(`frame ${frame}`)
    return --this.room > 0
  }
}

describe("SocketPipe", () => {
  for (const [what, Connection, prefix] of [
    ["where the connection takes it so", FramesConnection, "frame "],
    ["as a message where it does not", FakeConnection, ""],
  ] as const) {
    it(`sends a frame by itself, ${what}`, () => {
      const { notes, pipe } = make({ sendHighWaterMark: 1 })
      const sendFrame = (text: string): boolean => pipe.sendFrame(Buffer.from(text))
      assert.equal(sendFrame("a"), true)
      assert.equal(sendFrame("full"), false)
      const connection = new Connection(2)
      pipe.attachConnection(connection)
      assert.deepEqual(connection.sent, ["a"], "what had to wait has a list")
      assert.equal(sendFrame("b"), true, "taken, but it was the last")
      assert.equal(pipe.flowing, false)
      assert.equal(sendFrame("c"), true)
      assert.equal(sendFrame("full"), false)
      assert.deepEqual(connection.sent, ["a", `${prefix}b`])
      assert.equal(pipe.messagesSent, 2)
      connection.room = 5
      connection.sink?.drain()
      assert.deepEqual(connection.sent, ["a", `${prefix}b`, "c"])
      assert.equal(notes.steps.at(-1), "writable")
      pipe.finish()
      assert.equal(sendFrame("late"), false)
    })
  }

  describe("without a connection", () => {
    it("queues up to the high-water mark, exactly, and sends it all when one comes", () => {
      const { pipe, send } = make()
      for (const text of "abcd") assert.equal(send(text), true)
      assert.equal(pipe.writable, false)
      assert.equal(send("e"), false)
      assert.equal(pipe.queued, 4)
      const connection = new FakeConnection()
      pipe.attachConnection(connection)
      assert.deepEqual(connection.sent, ["a", "b", "c", "d"])
      assert.equal(pipe.queued, 0)
      assert.equal(pipe.messagesSent, 4)
    })

    it("takes any number with a high-water mark of 0", () => {
      const { pipe, send } = make({ sendHighWaterMark: 0 })
      for (let i = 0; i < 5_000; i++) assert.equal(send(`${i}`), true)
      assert.equal(pipe.queued, 5_000)
      assert.equal(pipe.writable, true)
    })

    it("keeps only the newest with conflate, and counts the others", () => {
      const { pipe, send } = make({ sendHighWaterMark: 1, conflate: true })
      for (const text of "abc") assert.equal(send(text), true)
      assert.equal(pipe.writable, true)
      const connection = new FakeConnection()
      pipe.attachConnection(connection)
      assert.deepEqual(connection.sent, ["c"])
      assert.deepEqual(pipe.dropped, { conflated: 2 })
    })

    it("loses notices: the pattern says them again when it is online", () => {
      const { pipe } = make()
      pipe.control("SUBSCRIBE", Buffer.from("x"))
      const connection = new FakeConnection()
      pipe.attachConnection(connection)
      assert.deepEqual(connection.sent, [])
    })
  })

  describe("with a connection", () => {
    it("passes messages on at once while it flows, and queues when it does not", () => {
      const { pipe, send } = make()
      const connection = new FakeConnection(2)
      pipe.attachConnection(connection)
      assert.equal(pipe.flowing, true)
      for (const text of "abcdefg") send(text)
      assert.deepEqual(connection.sent, ["a", "b"])
      assert.equal(pipe.flowing, false)
      assert.equal(pipe.queued, 4)
      assert.equal(send("h"), false)
      connection.drains(100)
      assert.deepEqual(connection.sent, ["a", "b", "c", "d", "e", "f"])
      assert.equal(pipe.flowing, true)
    })

    it("passes single frames on as frames where the connection takes them so, as messages elsewhere", () => {
      for (const takes of [true, false]) {
        const { pipe } = make()
        const connection = new FakeConnection(2)
        const frames: string[] = []
        const send = (frame: Buffer): boolean => {
          frames.push(`${frame}`)
          return frames.length < 2
        }
        pipe.attachConnection(takes ? Object.assign(connection, { sendFrame: send }) : connection)
        pipe.sendFrame(Buffer.from("a"))
        assert.equal(pipe.flowing, true)
        pipe.sendFrame(Buffer.from("b"))
        assert.equal(pipe.flowing, false)
        assert.equal(pipe.messagesSent, 2)
        assert.deepEqual([frames, connection.sent], takes ? [["a", "b"], []] : [[], ["a", "b"]])
      }
    })

    it("introduces itself first, then greets, then sends what waited", () => {
      const { notes, pipe, send } = make()
      send("waited")
      notes.onOnline = one => {
        one.send([Buffer.from("queued behind")])
        one.control("SUBSCRIBE", Buffer.from("topic"))
        one.greet([Buffer.from("hello")])
      }
      const connection = new FakeConnection()
      pipe.attachConnection(connection)
      assert.deepEqual(connection.sent, ["/SUBSCRIBE topic", "hello", "waited", "queued behind"])
    })

    it("sends what waited in order though the connection stops in between", () => {
      const { pipe, send } = make({ sendHighWaterMark: 10 })
      for (const text of "abcdef") send(text)
      const connection = new FakeConnection(2)
      pipe.attachConnection(connection)
      assert.deepEqual(connection.sent, ["a", "b"])
      send("g")
      connection.drains(3)
      connection.drains(3)
      assert.deepEqual(connection.sent, [..."abcdefg"])
    })

    it("passes on what it hears, and counts", () => {
      const { notes, pipe } = make()
      const connection = new FakeConnection()
      pipe.attachConnection(connection)
      connection.says("a", "b")
      connection.sink?.controlReceived("JOIN", Buffer.from("g"))
      assert.deepEqual(notes.steps, ["online", "receive a|b", "JOIN g"])
      assert.equal(pipe.messagesReceived, 1)
    })

    it("tells its owner of messages that are lost for good, and counts them", () => {
      const { notes, pipe } = make()
      const connection = new FakeConnection()
      pipe.attachConnection(connection)
      connection.sink?.lost?.("gap", 3, { sender: "multicast://10.0.0.1:5", from: 7, reason: "expired" })
      connection.sink?.lost?.("malformed", 1)
      assert.deepEqual(notes.steps, ["online", "missed 3 from 7 of multicast://10.0.0.1:5"])
      assert.deepEqual(pipe.dropped, { gap: 3, malformed: 1 })
    })

    it("reports the peer, bytes of all its connections, and drops by reason", () => {
      const { pipe, send } = make()
      const first = new FakeConnection()
      pipe.attachConnection(first)
      send("abc")
      first.bytesReceived = 7
      first.close()
      assert.deepEqual([pipe.bytesSent, pipe.bytesReceived], [5, 7])
      const second = new FakeConnection()
      pipe.attachConnection(second)
      send("abc")
      second.bytesReceived = 1
      assert.deepEqual([pipe.bytesSent, pipe.bytesReceived], [10, 8])
      pipe.drop("stale")
      pipe.drop("stale", 2)
      assert.deepEqual(pipe.dropped, { stale: 3 })
      assert.equal(pipe.peer, second.peer)
    })
  })

  describe("writable", () => {
    it("is called when half of the queue is sent, not for every message", () => {
      const { notes, pipe, send } = make({ sendHighWaterMark: 4 })
      const connection = new FakeConnection(1)
      pipe.attachConnection(connection)
      for (const text of "abcde") send(text)
      assert.equal(send("f"), false)
      connection.drains(1)
      assert.deepEqual(notes.steps, ["online"])
      connection.drains(1)
      assert.deepEqual(notes.steps, ["online", "writable"])
      connection.drains(9)
      assert.deepEqual(notes.steps, ["online", "writable"], "once")
    })

    it("is called with a high-water mark of 1 and 2, too", () => {
      for (const sendHighWaterMark of [1, 2]) {
        const { notes, pipe, send } = make({ sendHighWaterMark })
        while (send("x"));
        pipe.attachConnection(new FakeConnection())
        assert.deepEqual(notes.steps, ["online", "writable"])
      }
    })

    it("follows also when the owner was told by `writable` alone that there is no room", () => {
      const { notes, pipe, send } = make()
      for (const text of "abcd") send(text)
      assert.equal(pipe.writable, false)
      pipe.attachConnection(new FakeConnection())
      assert.deepEqual(notes.steps, ["online", "writable"])
    })

    it("keeps a balancer alive that asked before it sent", () => {
      const balancer = new LoadBalancer()
      const notes = new Notebook()
      notes.onWritable = pipe => balancer.activate(pipe)
      const pipe = new SocketPipe(notes, { sendHighWaterMark: 2 }, notes)
      balancer.attach(pipe)
      while (balancer.writable) balancer.send([Buffer.from("x")])
      pipe.attachConnection(new FakeConnection())
      assert.equal(balancer.writable, true)
      assert.equal(balancer.send([Buffer.from("y")]), pipe)
    })

    it("may send from within, as much as there is room", () => {
      const { notes, pipe, send } = make({ sendHighWaterMark: 3 })
      for (const text of "abc") send(text)
      assert.equal(send("d"), false)
      let next = 0
      notes.onWritable = () => {
        while (next < 100 && send(`${next}`)) next++
      }
      const connection = new FakeConnection(50)
      pipe.attachConnection(connection)
      connection.drains(1_000)
      connection.drains(1_000)
      assert.deepEqual(connection.sent, ["a", "b", "c", ...Array.from({ length: 100 }, (_, i) => `${i}`)])
    })
  })

  describe("the end of a connection", () => {
    it("is told in order: offline, then the owner; what waits stays for the next one", () => {
      const { notes, pipe, send } = make()
      const connection = new FakeConnection(1)
      pipe.attachConnection(connection)
      send("sent")
      send("kept")
      connection.close(new Error("gone"))
      assert.deepEqual(notes.steps, ["online", "offline", "closed gone"])
      assert.equal(pipe.flowing, false)
      assert.equal(pipe.wire, null)
      const next = new FakeConnection()
      pipe.attachConnection(next)
      assert.deepEqual(next.sent, ["kept"])
    })

    it("may come from the pattern while the pipe goes online", () => {
      const { notes, pipe, send } = make()
      send("kept")
      notes.onOnline = one => one.close(new Error("no"))
      const connection = new FakeConnection()
      pipe.attachConnection(connection)
      assert.deepEqual(notes.steps, ["online", "refused no", "offline", "closed no"])
      assert.deepEqual(connection.sent, [])
      assert.equal(pipe.flowing, false)
    })

    it("counts as dropped what is discarded", () => {
      const { pipe, send } = make()
      for (const text of "abc") send(text)
      pipe.discard()
      assert.deepEqual(pipe.dropped, { closed: 3 })
      assert.equal(pipe.queued, 0)
    })
  })

  describe("finish", () => {
    it("ends the connection at once when nothing waits", () => {
      const { notes, pipe } = make()
      const connection = new FakeConnection()
      pipe.attachConnection(connection)
      pipe.finish()
      assert.ok(connection.ending)
      connection.close()
      assert.deepEqual(notes.steps, ["online", "offline", "closed in order", "finished"])
    })

    it("sends first what waits", () => {
      const { pipe, send } = make()
      const connection = new FakeConnection(1)
      pipe.attachConnection(connection)
      for (const text of "abc") send(text)
      pipe.finish()
      assert.equal(connection.ending, false)
      connection.drains(10)
      assert.deepEqual(connection.sent, ["a", "b", "c"])
      assert.ok(connection.ending)
    })

    it("waits for a connection when there is none, and is done when nothing waits", () => {
      const { notes, pipe, send } = make()
      send("a")
      pipe.finish()
      const connection = new FakeConnection()
      pipe.attachConnection(connection)
      assert.deepEqual(connection.sent, ["a"])
      assert.ok(connection.ending)
      const idle = make()
      idle.pipe.finish()
      assert.deepEqual(idle.notes.steps, ["finished"])
      assert.deepEqual(notes.steps, ["online"])
    })

    it("takes nothing more: what came behind the goodbye would be lost in silence", () => {
      for (const waiting of [0, 2]) {
        const { notes, pipe, send } = make()
        const connection = new FakeConnection(waiting > 0 ? 1 : 100)
        pipe.attachConnection(connection)
        send("first")
        for (let i = 0; i < waiting; i++) send("waits")
        pipe.finish()
        assert.equal(send("too late"), false)
        assert.equal(pipe.writable, false)
        assert.equal(pipe.flowing, false)
        connection.drains(100)
        assert.equal(send("too late"), false)
        assert.equal(pipe.flowing, false)
        assert.deepEqual(connection.sent, ["first", ...Array(waiting).fill("waits")])
        assert.ok(connection.ending)
        assert.ok(!notes.steps.includes("writable"))
      }
    })
  })
})
