import assert from "node:assert/strict"
import { Connector, type ConnectorOptions, reconnectDelay, type SocketHost } from "../../core/connector.ts"
import type { Connection, Endpoint, Transport } from "../../core/contract.ts"
import { parseEndpoint } from "../../core/endpoint.ts"
import { HeddleError } from "../../core/errors.ts"
import type { SocketEvent } from "../../core/observer.ts"
import type { SocketPipe } from "../../core/pipe.ts"
import { FakeClock } from "../support/clock.ts"
import { FakeConnection } from "../support/fake-connection.ts"
import { local } from "../support/link-options.ts"

describe("reconnectDelay", () => {
  const at = (failures: number, random: number, fatal = false, base = 100, max = 5_000): number =>
    reconnectDelay(failures, base, max, fatal, random)

  it("is the interval at first, then grows to twice its size each time, up to the longest", () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 50, 5_000].map(failures => at(failures, 1)),
      [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000],
    )
    assert.equal(at(0, 1), 100)
  })

  it("is spread over the upper half, never below the interval", () => {
    assert.deepEqual(
      [1, 2, 3, 4, 8].map(failures => at(failures, 0)),
      [100, 100, 200, 400, 2_500],
    )
    assert.equal(at(4, 0.5), 600)
  })

  it("is spread between one and two intervals when there is no longest one, as in libzmq", () => {
    assert.deepEqual(
      [1, 2, 50].map(failures => at(failures, 0, false, 100, 0)),
      [100, 100, 100],
    )
    assert.equal(at(1, 0.999, false, 100, 0), 200)
  })

  it("is the longest at once after a refusal for good", () => {
    assert.deepEqual([at(1, 1, true), at(1, 0, true)], [5_000, 2_500])
  })

  it("keeps to the interval when the longest is shorter", () => {
    assert.deepEqual([at(1, 0, false, 1_000, 10), at(9, 1, false, 1_000, 10)], [1_000, 1_000])
  })
})

/** A transport whose attempts the test answers. */
class Attempts implements Transport {
  readonly scheme = "fake"
  readonly pending: { resolve(connection: Connection): void; reject(error: unknown): void; reached?(): void }[] = []
  count = 0

  check(): void {}
  listen(): never {
    throw new Error("nobody listens here")
  }
  dial(_endpoint: Endpoint, _local: unknown, signal: AbortSignal, reached?: (address: string) => void) {
    this.count++
    return new Promise<Connection>((resolve, reject) => {
      this.pending.push({ resolve, reject, reached: () => reached?.("fake://x") })
      signal.addEventListener("abort", () => reject(new HeddleError("ECONNABORTED", "given up")), { once: true })
    })
  }
}

const OPTIONS: ConnectorOptions = {
  sendHighWaterMark: 10,
  reconnectInterval: 100,
  reconnectMaxInterval: 1_000,
  reconnectStop: "never",
  immediate: false,
}

describe("Connector", () => {
  let clock: FakeClock
  beforeEach(() => {
    clock = new FakeClock().install()
  })
  afterEach(() => clock.restore())

  /** What promises have put off is done. */
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }

  const make = (changes: Partial<ConnectorOptions> = {}) => {
    const events: SocketEvent[] = []
    const attached = new Set<SocketPipe>()
    const pattern = { attach() {}, receive() {}, writable() {}, detach() {} }
    const host: SocketHost = {
      pattern,
      handshake: local("PUSH"),
      emit: event => events.push(event),
      attach: pipe => attached.add(pipe),
      detach: pipe => attached.delete(pipe),
      peersChanged() {},
    }
    const transport = new Attempts()
    const connector = new Connector(host, parseEndpoint("fake://x"), transport, { ...OPTIONS, ...changes }, null)
    const fail = async (error: unknown, reached = false): Promise<void> => {
      const attempt = transport.pending.shift()
      if (reached) attempt?.reached?.()
      attempt?.reject(error)
      await settle()
    }
    const connect = async (connection = new FakeConnection()): Promise<FakeConnection> => {
      transport.pending.shift()?.resolve(connection)
      await settle()
      return connection
    }
    const types = (): string[] => events.splice(0).map(event => event.type)
    return { connector, transport, events, attached, fail, connect, types }
  }

  const refused = new HeddleError("ECONNREFUSED", "nobody listens")

  it("has its pipe at once, and takes messages for it", async () => {
    const { connector, attached, connect } = make()
    assert.equal(attached.size, 1)
    for (let i = 0; i < 10; i++) assert.equal(connector.pipe?.send([Buffer.from(`${i}`)]), true)
    assert.equal(connector.pipe?.send([Buffer.from("x")]), false, "the high-water mark is exact without a connection")
    assert.equal((await connect()).sent.length, 10)
  })

  it("has no pipe before and between connections with `immediate`", async () => {
    const { connector, attached, connect, fail } = make({ immediate: true })
    assert.equal(connector.pipe, null)
    await fail(refused)
    clock.advance(1_000)
    const connection = await connect()
    assert.equal(attached.size, 1)
    connection.close()
    assert.equal(attached.size, 0)
    assert.equal(connector.pipe, null)
  })

  it("tells what happens, in libzmq's words", async () => {
    const { transport, types, fail, connect } = make()
    assert.deepEqual(types(), ["connect:delay"])
    await fail(refused)
    assert.deepEqual(types(), ["connect:retry"])
    clock.advance(1_000)
    transport.pending[0].reached?.()
    const connection = await connect()
    assert.deepEqual(types(), ["connect:delay", "connect", "handshake"])
    connection.close(new HeddleError("ECONNRESET", "gone"))
    assert.deepEqual(types(), ["disconnect", "connect:retry"])
  })

  it("waits longer with each failure, and begins anew after a connection that lasted", async () => {
    const { transport, events, fail, connect } = make()
    const waited = (): number => {
      const retry = events.findLast(event => event.type === "connect:retry")
      assert.equal(retry?.interval, clock.next)
      const interval = clock.next as number
      clock.advance(interval)
      return interval
    }
    const ranges = [
      [100, 100],
      [100, 200],
      [200, 400],
      [400, 800],
      [500, 1_000],
      [500, 1_000],
    ] // prettier-ignore
    for (const [i, [least, most]] of ranges.entries()) {
      assert.equal(transport.count, i + 1)
      await fail(refused)
      const interval = waited()
      assert.ok(interval >= least && interval <= most, `${interval} ms after failure ${i + 1}`)
    }
    // A peer that takes us in and throws us out is no better than one that refuses us.
    const short = await connect()
    clock.advance(2_000)
    short.close()
    assert.ok(waited() >= 500)
    const long = await connect()
    clock.advance(3_000)
    long.close()
    assert.equal(waited(), 100)
  })

  it("asks a peer that refused us for good at the longest interval only", async () => {
    const { fail } = make()
    await fail(new HeddleError("ERR_PEER_INCOMPATIBLE", "no", { fatal: true }), true)
    assert.ok((clock.next as number) >= 500)
  })

  it("does the same when the refusal comes on a connection that was good", async () => {
    for (const code of ["EMSGSIZE", "ERR_ZMTP_PEER_ERROR"] as const) {
      const { connect, connector } = make()
      const connection = await connect()
      clock.advance(5_000)
      connection.close(new HeddleError(code, "too much", { fatal: true }))
      assert.ok((clock.next as number) >= 500, code)
      connector.stop()
    }
  })

  describe("reports a failed handshake", () => {
    for (const [error, type] of [
      [new HeddleError("ERR_ZMTP_GREETING", "another protocol"), "handshake:error:protocol"],
      [new HeddleError("ERR_PEER_INCOMPATIBLE", "no", { fatal: true }), "handshake:error:protocol"],
      [new HeddleError("ERR_HANDSHAKE_TIMEOUT", "too slow"), "handshake:error:other"],
      [new HeddleError("ECONNRESET", "closed in the handshake"), "handshake:error:other"],
      [new HeddleError("EMSGSIZE", "a command of a gigabyte", { fatal: true }), "handshake:error:other"],
    ] as const) {
      it(`${error.code} as ${type}`, async () => {
        const { events, fail, types } = make()
        types()
        await fail(error, true)
        assert.deepEqual(
          events.map(event => event.type),
          ["connect", type, "connect:retry"],
        )
        assert.equal((events[1] as { error: unknown }).error, error)
      })
    }

    it("but not what failed before: there was no handshake", async () => {
      for (const error of [refused, Object.assign(new Error("getaddrinfo ENOTFOUND x"), { code: "ENOTFOUND" })]) {
        const { types, fail } = make()
        types()
        await fail(error)
        assert.deepEqual(types(), ["connect:retry"])
      }
    })
  })

  it("says with each retry why the attempt failed", async () => {
    const { events, fail } = make()
    await fail(refused)
    const retry = events.find(event => event.type === "connect:retry")
    assert.equal(retry?.error, refused)
  })

  describe("gives up", () => {
    const over = ({ transport, attached }: ReturnType<typeof make>): void => {
      assert.equal(clock.pending, 0)
      assert.equal(attached.size, 0)
      assert.equal(transport.pending.length, 0)
    }

    it("at the first failure when it is never to reconnect: reconnectInterval -1, or 0 as in libzmq", async () => {
      for (const reconnectInterval of [-1, 0]) {
        const one = make({ reconnectInterval })
        await one.fail(refused)
        over(one)
      }
    })

    it("when refused, with reconnectStop connection-refused, and then only", async () => {
      const one = make({ reconnectStop: "connection-refused" })
      await one.fail(new HeddleError("ETIMEDOUT", "slow"))
      clock.advance(1_000)
      await one.fail(refused)
      over(one)
    })

    it("when the handshake fails, with reconnectStop handshake-failed, and then only", async () => {
      for (const code of ["ERR_HANDSHAKE_TIMEOUT", "ECONNRESET", "EMSGSIZE"] as const) {
        const one = make({ reconnectStop: "handshake-failed" })
        await one.fail(refused)
        clock.advance(1_000)
        await one.fail(new HeddleError(code, "no"), true)
        over(one)
      }
    })

    it("when a connection ends, with reconnectStop after-disconnect", async () => {
      const one = make({ reconnectStop: "after-disconnect" })
      await one.fail(refused)
      clock.advance(1_000)
      ;(await one.connect()).close()
      over(one)
    })

    it("when it is stopped: while it dials, waits, and is connected", async () => {
      const dialling = make()
      dialling.connector.stop()
      dialling.transport.pending.length = 0
      await settle()
      over(dialling)
      assert.deepEqual(dialling.types(), ["connect:delay"])

      const waiting = make()
      await waiting.fail(refused)
      waiting.connector.stop()
      over(waiting)

      const connected = make()
      const connection = await connected.connect()
      connected.connector.stop()
      connected.connector.stop()
      assert.ok(connection.over)
      over(connected)
    })

    it("and closes a connection that comes too late", async () => {
      const one = make()
      const attempt = one.transport.pending.shift()
      one.connector.stop()
      const connection = new FakeConnection()
      attempt?.resolve(connection)
      await settle()
      assert.deepEqual(one.types(), ["connect:delay"])
      over(one)
    })
  })

  describe("finish", () => {
    it("is done at once without anything to send, and after what there is to send", async () => {
      const idle = make()
      let done = 0
      idle.connector.finish(() => done++)
      assert.equal(done, 1)

      const busy = make()
      busy.connector.pipe?.send([Buffer.from("last")])
      busy.connector.finish(() => done++)
      assert.equal(done, 1)
      const connection = await busy.connect()
      assert.deepEqual(connection.sent, ["last"])
      assert.ok(connection.ending)
      busy.types()
      connection.close()
      assert.equal(done, 2)
      assert.deepEqual(busy.types(), ["disconnect"], "nobody dials again for nothing")
      assert.equal(clock.pending, 0)
    })

    it("is done at once after it gave up: close must not wait for it", async () => {
      for (const changes of [{ reconnectInterval: -1 }, { reconnectStop: "connection-refused" } as const]) {
        const { connector, fail } = make(changes)
        await fail(refused)
        let done = 0
        connector.finish(() => done++)
        assert.equal(done, 1)
      }
    })

    it("dials again for what is still to be sent", async () => {
      const { connector, connect } = make()
      const first = await connect(new FakeConnection(1))
      connector.pipe?.send([Buffer.from("sent")])
      connector.pipe?.send([Buffer.from("waits")])
      let done = 0
      connector.finish(() => done++)
      first.close(new HeddleError("ECONNRESET", "gone"))
      assert.equal(done, 0)
      clock.advance(1_000)
      const second = await connect()
      assert.deepEqual(second.sent, ["waits"])
      second.close()
      assert.equal(done, 1)
    })

    it("does not dial for ever with `immediate`: what was queued went with the connection", async () => {
      const { connector, connect, attached } = make({ immediate: true })
      const connection = await connect(new FakeConnection(1))
      connector.pipe?.send([Buffer.from("sent")])
      connector.pipe?.send([Buffer.from("lost")])
      let done = 0
      connector.finish(() => done++)
      connection.close(new HeddleError("ECONNRESET", "gone"))
      assert.equal(done, 1)
      assert.equal(attached.size, 0)
      assert.equal(clock.pending, 0)
    })
  })
})
