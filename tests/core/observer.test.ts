import assert from "node:assert/strict"
import { Observer, type SocketEvent } from "../../core/observer.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"

const bind = (address: string): SocketEvent => ({ type: "bind", address })

describe("Observer", () => {
  closesAfterEach()

  it("keeps events for who reads them", async () => {
    const observer = using(new Observer())
    observer.emit(bind("a"))
    observer.emit(bind("b"))
    assert.deepEqual(await observer.receive(), bind("a"))
    const waiting = [observer.receive(), observer.receive()]
    observer.emit(bind("c"))
    assert.deepEqual(await waiting[0], bind("b"))
    assert.deepEqual(await waiting[1], bind("c"))
  })

  it("keeps a thousand when nobody reads; the oldest go, and are counted", async () => {
    const observer = using(new Observer())
    for (let i = 0; i < 1_005; i++) observer.emit(bind(`${i}`))
    assert.equal(observer.dropped, 5)
    assert.deepEqual(await observer.receive(), bind("5"))
  })

  it("calls listeners by type, until they leave", () => {
    const observer = using(new Observer())
    const heard: string[] = []
    const listener = ({ address }: { address: string }): unknown => heard.push(address)
    observer.on("bind", listener)
    observer.on("connect", ({ address }) => heard.push(`connect ${address}`))
    observer.emit(bind("a"))
    observer.emit({ type: "connect", address: "b" })
    observer.emit({ type: "accept", address: "nobody's" })
    observer.off("bind", listener)
    observer.off("close", listener)
    observer.emit(bind("c"))
    assert.deepEqual(heard, ["a", "connect b"])
  })

  it("is read in one way or the other: after `on`, `receive` rejects", async () => {
    const observer = using(new Observer())
    observer.on("bind", () => {})
    await assert.rejects(observer.receive(), /event emitter mode/)
  })

  it("lets a mistake of a listener surface, and tells the others", async () => {
    const observer = using(new Observer())
    const heard: string[] = []
    observer.on("bind", () => {
      throw new RangeError("a listener's mistake")
    })
    observer.on("bind", ({ address }) => heard.push(address))
    const listeners = process.listeners("uncaughtException")
    process.removeAllListeners("uncaughtException")
    const caught = new Promise<Error>(resolve => process.once("uncaughtException", resolve))
    try {
      assert.doesNotThrow(() => observer.emit(bind("a")))
      assert.match((await caught).message, /a listener's mistake/)
    } finally {
      for (const one of listeners) process.on("uncaughtException", one)
    }
    assert.deepEqual(heard, ["a"])
  })

  it("may lose its listener while it calls it", () => {
    const observer = using(new Observer())
    const heard: string[] = []
    const once = ({ address }: { address: string }): void => {
      heard.push(address)
      observer.off("bind", once)
    }
    observer.on("bind", once)
    observer.on("bind", ({ address }) => heard.push(`other ${address}`))
    observer.emit(bind("a"))
    observer.emit(bind("b"))
    assert.deepEqual(heard, ["a", "other a", "other b"])
  })

  describe("the end", () => {
    it("is the last event; what was kept can be read before it", async () => {
      const observer = new Observer()
      observer.emit(bind("a"))
      observer.close()
      observer.close()
      observer.emit(bind("never"))
      assert.equal(observer.closed, true)
      assert.deepEqual(await observer.receive(), bind("a"))
      assert.deepEqual(await observer.receive(), { type: "end" })
      await assert.rejects(observer.receive(), { name: "HeddleError", code: "EBADF" })
    })

    it("ends an iteration", async () => {
      const observer = new Observer()
      const types: string[] = []
      const loop = (async () => {
        for await (const { type } of observer) types.push(type)
      })()
      observer.emit(bind("a"))
      observer.emit({ type: "accept", address: "b" })
      observer.emit({ type: "end" })
      await loop
      assert.deepEqual(types, ["bind", "accept", "end"])
      for await (const event of observer) assert.fail(event.type)
    })

    it("goes to one of several who wait; the others are rejected", async () => {
      const observer = new Observer()
      const [first, second] = [observer.receive(), observer.receive()]
      observer.close()
      assert.deepEqual(await first, { type: "end" })
      await assert.rejects(second, { code: "EBADF" })
    })

    it("is told to listeners", () => {
      const observer = new Observer()
      let ended = 0
      observer.on("end", () => ended++)
      observer.close()
      observer.emit({ type: "end" })
      assert.equal(ended, 1)
    })
  })
})
