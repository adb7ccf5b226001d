import assert from "node:assert/strict"
import * as zmq from "zeromq"
import * as draft from "zeromq/draft.js"
import * as heddle from "../../index.ts"
import { closesAfterEach, later, using } from "../support/cleanup.ts"
import { coded } from "../support/pattern.ts"

/** What programs for the npm package `zeromq` may use and Heddle has not, each with its reason. */
const ABSENT_METHODS: Readonly<Record<string, string>> = {
  bindSync: "Node binds asynchronously; there is no honest way to wait for it",
  unbindSync: "Node closes listeners asynchronously",
}
const ABSENT_FROM_CONTEXT: Readonly<Record<string, string>> = {
  ioThreads: "there are none",
  threadPriority: "there are no I/O threads",
  threadSchedulingPolicy: "there are no I/O threads",
  maxMessageSize: "an option of sockets",
  maxSocketsLimit: "a limit of libzmq's build",
}

/** Options that this version refuses: any value but the default throws ENOTSUP. */
const REFUSED = new Set([
  "affinity",
  "curvePublicKey",
  "curveSecretKey",
  "curveServer",
  "curveServerKey",
  "loopbackFastPath",
  "plainPassword",
  "plainServer",
  "plainUsername",
  "socksProxy",
  "vmciBufferMaxSize",
  "vmciBufferMinSize",
  "vmciBufferSize",
  "vmciConnectTimeout",
  "zapDomain",
  "zapEnforceDomain",
])

/** Defaults that differ, with ours; README.md, "Moving from zeromq", and docs/guide.md say why. */
const OUR_DEFAULTS: Readonly<Record<string, unknown>> = {
  linger: 10_000,
  backlog: 511,
  reconnectMaxInterval: 5_000,
  maxMessageSize: 64 * 1024 * 1024,
  heartbeatInterval: 5_000,
  heartbeatTimeout: 10_000,
  rate: 0,
  multicastMaxTransportDataUnit: 0,
}

/** Values that an option takes and that no class has by default, where the type does not tell. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  multicastMaxTransportDataUnit: 1_400,
  tcpAcceptFilter: "127.0.0.1",
  tcpKeepalive: 1,
  verbosity: "allSubs",
}

/** Accessors of libzmq's options, below the names that programs use; protected in the type declarations. */
const NATIVE = /^[gs]et(Bool|U?[Ii]nt(32|64)|String)Option$/

type AnySocket = Record<string | symbol, unknown> & { close(): unknown }
type SocketClass = { new (options?: object): AnySocket; prototype: object }

const theirModule = { ...zmq, ...draft } as unknown as Record<string, unknown>
const ourModule = heddle as unknown as Record<string, unknown>
const isSocketClass = (value: unknown): value is SocketClass =>
  typeof value === "function" && value.prototype instanceof zmq.Socket
const SOCKETS = Object.keys(theirModule)
  .filter(name => isSocketClass(theirModule[name]))
  .sort()

/** Every property of a class, those of its parents included, with its descriptor. */
function properties(type: { prototype: object }): Map<string | symbol, PropertyDescriptor> {
  const found = new Map<string | symbol, PropertyDescriptor>()
  for (let at: object | null = type.prototype; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Reflect.ownKeys(at)) {
      if (!found.has(name)) found.set(name, Object.getOwnPropertyDescriptor(at, name) as PropertyDescriptor)
    }
  }
  return found
}

/** What `zeromq` declares for a class: at run time its Socket has send, receive and join for all of them. */
function declared(type: SocketClass, name: string | symbol): boolean {
  const has = (option: string): boolean => properties(type).has(option)
  if (name === "send" || name === "writable") return has("sendHighWaterMark")
  if (name === "receive" || name === "readable" || name === Symbol.asyncIterator) return has("receiveHighWaterMark")
  if (name === "join" || name === "leave") return type === (draft.Dish as unknown)
  return !(typeof name === "string" && (NATIVE.test(name) || name in ABSENT_METHODS))
}

function sample(name: string, initial: unknown): unknown {
  if (name in SAMPLES) return SAMPLES[name]
  if (typeof initial === "boolean") return !initial
  return typeof initial === "number" ? initial + 1 : "text"
}

/** The default of an option of theirs; undefined where libzmq does not let it be read. */
function readable(socket: AnySocket, name: string): unknown {
  try {
    return socket[name]
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "EINVAL")
    return undefined
  }
}

describe("The surface of the npm package zeromq", () => {
  closesAfterEach()

  it("has every export", () => {
    // Node's own names for the whole of a CommonJS module, the last since 23.
    const whole = ["default", "__esModule", "module.exports"]
    const wanted = Object.keys(theirModule).filter(name => !whole.includes(name))
    assert.ok(wanted.length >= 26, `only ${wanted.length} exports were found`)
    for (const name of wanted) assert.equal(typeof ourModule[name], typeof theirModule[name], name)
  })

  it("says of the same capabilities whether it has them", () => {
    const ours = Object.keys(heddle.capability).filter(name => name !== "native")
    assert.deepEqual(ours.sort(), Object.keys(zmq.capability).sort())
    assert.equal(typeof heddle.capability.native, "boolean")
  })

  it("curveKeyPair gives keys that two sockets of libzmq can talk with", async () => {
    const [server, client] = [heddle.curveKeyPair(), heddle.curveKeyPair()]
    const pull = new zmq.Pull({ curveServer: true, curveSecretKey: server.secretKey, linger: 0 })
    later(() => pull.close())
    const push = new zmq.Push({
      curveServerKey: server.publicKey,
      curvePublicKey: client.publicKey,
      curveSecretKey: client.secretKey,
      linger: 0,
    })
    later(() => push.close())
    await pull.bind("tcp://127.0.0.1:*")
    push.connect(pull.lastEndpoint as string)
    await push.send("secret")
    assert.equal(`${(await pull.receive())[0]}`, "secret")
    assert.equal(pull.securityMechanism, "curve")
  })

  it("Context has the options, but those listed, and refuses these", () => {
    const ours = heddle.context as unknown as Record<string, unknown>
    const options = [...properties(zmq.Context).keys()].filter(name => !NATIVE.test(String(name)))
    assert.deepEqual(options.filter(name => !(name in ours)).sort(), Object.keys(ABSENT_FROM_CONTEXT).sort())
    for (const name of ["ioThreads", "threadPriority", "threadSchedulingPolicy", "maxMessageSize"]) {
      assert.throws(() => new heddle.Context({ [name]: 2 }), coded("ENOTSUP", new RegExp(name)))
    }
    assert.throws(() => new heddle.Context({ maxSocket: 2 } as object), coded("EINVAL", /maxSocket/))
    for (const name of ["maxSockets", "blocky", "ipv6"] as const) assert.equal(heddle.context[name], zmq.context[name])
  })

  it("Observer and Proxy have every method", () => {
    const observer = using(new heddle.Pull()).events
    for (const name of properties(zmq.Observer).keys())
      if (name !== "emitter") assert.ok(name in observer, String(name))
    const proxy = new heddle.Proxy(using(new heddle.Pull()), using(new heddle.Push()))
    for (const name of properties(zmq.Proxy).keys()) assert.ok(name in proxy, String(name))
  })

  for (const name of SOCKETS) {
    describe(name, () => {
      const theirClass = theirModule[name] as SocketClass
      const ourClass = ourModule[name] as SocketClass
      const options = [...properties(theirClass)].flatMap(([key, { set }]) =>
        set !== undefined && typeof key === "string" ? [key] : [],
      )
      const make = (settings?: object): AnySocket => using(new ourClass(settings))
      const theirs = (): AnySocket => {
        const socket = new theirClass({ linger: 0 })
        later(() => socket.close())
        return socket
      }

      it("has every method and property", () => {
        const socket = make()
        const names = [...properties(theirClass).keys()].filter(key => declared(theirClass, key))
        assert.ok(names.length > 50)
        assert.deepEqual(
          names.filter(key => !(key in socket)),
          [],
        )
        for (const [key, { value }] of properties(theirClass)) {
          if (typeof value === "function" && declared(theirClass, key)) {
            assert.equal(typeof socket[key], "function", String(key))
          }
        }
      })

      it("is a Socket of the same type", () => {
        assert.ok((make() as object) instanceof heddle.Socket)
        assert.equal(make().type, theirs().type)
      })

      it("takes every option in its constructor, or refuses it with ENOTSUP", () => {
        const defaults = make()
        assert.ok(options.length > 30)
        for (const option of options) {
          const value = sample(option, defaults[option])
          assert.notEqual(value, defaults[option], option)
          if (REFUSED.has(option)) {
            assert.throws(() => new ourClass({ [option]: value }), coded("ENOTSUP", new RegExp(option)))
            assert.equal(make({ [option]: defaults[option] })[option], defaults[option])
          } else assert.equal(make({ [option]: value })[option], value, option)
        }
      })

      it("has the same defaults, but those listed", () => {
        const ours = make()
        const other = new theirClass()
        later(() => other.close())
        const different: Record<string, unknown> = {}
        for (const option of options) {
          const value = readable(other, option)
          if (value !== undefined && value !== ours[option]) different[option] = ours[option]
        }
        assert.deepEqual(different, OUR_DEFAULTS)
      })
    })
  }
})
