import assert from "node:assert/strict"
import {
  applyOptions,
  bytes,
  choice,
  defaultsOf,
  defineOptions,
  flag,
  integer,
  type OptionHolder,
  type OptionSpec,
  refused,
  routingIdOption,
  toBytes,
} from "../../core/options.ts"
import { COMMON_OPTIONS, RECEIVING_OPTIONS, SENDING_OPTIONS } from "../../core/socket-options.ts"
import { Pull, Push } from "../../index.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"

const EINVAL = { name: "HeddleError", code: "EINVAL" }

const takes = (spec: OptionSpec, ...values: unknown[]): void => {
  for (const value of values) assert.equal(spec.check(value, "name"), value)
}

/** Refused with EINVAL, or with a TypeError where the kind of value is wrong; both name the option. */
const refuses = (spec: OptionSpec, ...values: unknown[]): void => {
  for (const value of values) {
    assert.throws(
      () => spec.check(value, "theName"),
      (error: Error & { code?: string }) => {
        assert.ok(error.code === "EINVAL" || error instanceof TypeError, String(error))
        assert.match(error.message, /theName/)
        return true
      },
      `${String(value)} was taken`,
    )
  }
}

describe("Options", () => {
  closesAfterEach()

  describe("kinds", () => {
    it("whole numbers within a range", () => {
      const spec = integer(5, { min: -1, max: 10, unit: "milliseconds" })
      assert.equal(spec.initial, 5)
      takes(spec, -1, 0, 10)
      refuses(spec, -2, 11, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "5", null, true, 5n)
      assert.throws(() => spec.check(11, "x"), { ...EINVAL, message: /x is 11.*from -1 to 10 \(milliseconds\)/ })
    })

    it("yes and no", () => {
      takes(flag(false), true, false)
      refuses(flag(false), 0, 1, "true", null)
    })

    it("a choice", () => {
      const spec = choice("a", ["a", "b", null])
      takes(spec, "a", "b", null)
      refuses(spec, "c", undefined, 0)
    })

    it("bytes, as text or buffer, up to a length", () => {
      const spec = bytes(4)
      const buffer = Buffer.from([0, 1, 2, 3])
      takes(spec, "abcd", buffer, null)
      assert.equal(spec.check("", "x"), null)
      refuses(spec, "abcde", "äöü", 5, {}, new Uint8Array(2))
      assert.ok(toBytes("ab").equals(Buffer.from("ab")))
      assert.equal(toBytes(null).length, 0)
    })

    it("routing ids: up to 255 octets that do not begin with 0", () => {
      takes(routingIdOption, "a", Buffer.alloc(255, 1), null)
      refuses(routingIdOption, Buffer.alloc(256, 1), Buffer.from([0, 1]), "\0a", 7)
    })

    it("options that cannot be honoured: only their default is taken, anything else says why", () => {
      const spec = refused(3, "there is no such thing here")
      takes(spec, 3)
      assert.throws(() => spec.check(4, "x"), { code: "ENOTSUP", message: /x cannot be set; there is no such thing/ })
      assert.equal(refused<string | null>(null, "").check("", "x"), null)
    })
  })

  describe("of sockets", () => {
    it("all accept their own default", () => {
      for (const [name, spec] of Object.entries({ ...COMMON_OPTIONS, ...SENDING_OPTIONS, ...RECEIVING_OPTIONS })) {
        assert.equal(spec.check(spec.initial, name), spec.initial, name)
      }
    })

    it("have the defaults that the guide names", () => {
      const push = using(new Push())
      assert.equal(push.linger, 10_000)
      assert.equal(push.sendHighWaterMark, 1_000)
      assert.equal(push.sendTimeout, -1)
      assert.equal(push.reconnectInterval, 100)
      assert.equal(push.reconnectMaxInterval, 5_000)
      assert.equal(push.maxMessageSize, 64 * 1024 * 1024)
      assert.equal(push.heartbeatInterval, 5_000)
      assert.equal(push.heartbeatTimeout, 10_000)
      assert.equal(push.handshakeInterval, 30_000)
      assert.equal(push.immediate, false)
      assert.equal(using(new Pull()).receiveHighWaterMark, 1_000)
    })

    it("are set by the constructor and as properties, checked the same way", () => {
      const push = using(new Push({ linger: 0, sendHighWaterMark: 7, metadata: { "X-a": "b" } }))
      assert.deepEqual([push.linger, push.sendHighWaterMark], [0, 7])
      push.sendTimeout = 50
      assert.equal(push.sendTimeout, 50)
      assert.throws(() => new Push({ linger: -2 }), EINVAL)
      assert.throws(() => {
        push.linger = -2
      }, EINVAL)
      assert.equal(push.linger, 0)
    })

    it("that are undefined keep their default", () => {
      assert.equal(using(new Push({ linger: undefined })).linger, 10_000)
    })

    it("that the class does not have are refused by name, inherited names of objects too", () => {
      for (const name of ["receiveHighWaterMark", "hwm", "toString", "constructor", "__defineGetter__"]) {
        assert.throws(() => new Push({ [name]: 1 } as object), { ...EINVAL, message: new RegExp(`Push.*${name}`) })
      }
    })

    it("tcpAcceptFilter takes addresses and ranges", () => {
      takes(COMMON_OPTIONS.tcpAcceptFilter, null, "127.0.0.1", "10.0.0.0/8", "::1", "fe80::/10", ["10.0.0.0/8", "::1"])
      refuses(
        COMMON_OPTIONS.tcpAcceptFilter,
        "localhost",
        "10.0.0.0/33",
        "10.0.0.0/8/8",
        "::1/129",
        "10.0.0.0/x",
        [""],
        5,
      )
      assert.equal(COMMON_OPTIONS.tcpAcceptFilter.check("", "x"), null)
    })

    it("metadata takes names with X- and values that are text", () => {
      takes(COMMON_OPTIONS.metadata, {}, { "X-app": "v", "X-a-b_c.d+e": "" })
      refuses(COMMON_OPTIONS.metadata, { app: "v" }, { "X-": "v" }, { "X-ä": "v" }, { "X-a b": "v" }, null, "X-a:b")
      refuses(COMMON_OPTIONS.metadata, { "X-a": 5 }, { "X-a": null }, { "X-a": Buffer.from("x") })
    })

    it("interface takes names as Linux has them", () => {
      takes(COMMON_OPTIONS.interface, "eth0", "wlp0s20f3", null)
      refuses(COMMON_OPTIONS.interface, "a b", "a/b", "x".repeat(16), 1)
    })

    it("reconnectStop takes its four words", () => {
      takes(COMMON_OPTIONS.reconnectStop, "never", "connection-refused", "handshake-failed", "after-disconnect")
      refuses(COMMON_OPTIONS.reconnectStop, "always", 1, null)
    })

    it("of PLAIN, CURVE and SOCKS are refused with ENOTSUP, never ignored", () => {
      for (const options of [{ plainUsername: "me" }, { curveServer: true }, { socksProxy: "localhost:1080" }]) {
        assert.throws(() => new Push(options as object), { name: "HeddleError", code: "ENOTSUP" })
      }
    })
  })

  describe("tables", () => {
    class Parent implements OptionHolder {
      readonly settings: Record<string, unknown>
      readonly changes: string[] = []
      declare a: number
      constructor() {
        this.settings = defaultsOf(new.target.prototype)
      }
      optionChanged(name: string, live: boolean): void {
        this.changes.push(`${name} ${live ? "now" : "next time"}`)
      }
    }
    class Child extends Parent {
      declare b: boolean
    }
    defineOptions(Parent, { a: integer(1, { min: 0, live: true }), shared: integer(10, { min: 0 }) })
    defineOptions(Child, { b: flag(true), shared: integer(20, { min: 0 }) })

    it("add up along the classes; the child's word counts", () => {
      assert.deepEqual({ ...new Parent().settings }, { a: 1, shared: 10 })
      assert.deepEqual({ ...new Child().settings }, { b: true, shared: 20, a: 1 })
      assert.ok(!("b" in Parent.prototype))
    })

    it("report each change, and whether it acts at once", () => {
      const child = new Child()
      child.a = 5
      applyOptions(child, { b: false, shared: undefined })
      assert.deepEqual(child.changes, ["a now", "b next time"])
      assert.deepEqual({ ...child.settings }, { b: false, shared: 20, a: 5 })
      assert.throws(() => applyOptions(child, { c: 1 }), { ...EINVAL, message: /Child has no option c/ })
    })
  })
})
