import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import type { Connection } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { HeddleError } from "../../../core/errors.ts"
import { IpcTransport } from "../../../transports/ipc.ts"
import type { Addon } from "../../../transports/native/addon.ts"
import { MAX_CAPACITY, MAX_RING, NONCE_AT, NONCE_SIZE } from "../../../transports/shm/ring-layout.ts"
import { sharedSize } from "../../../transports/shm/ring-stream.ts"
import { command, GREETING, message, ready } from "../../support/bytes.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { local } from "../../support/link-options.ts"
import { RawPeer } from "../../support/raw-peer.ts"
import { Collector, Door } from "../../support/sinks.ts"
import { until } from "../../support/wait.ts"
import { describeNative } from "../native/addon-fixtures.ts"
import { type Counts, countingNative, Leaks } from "./memory-counts.ts"

const NAME = "HEDDLE-RINGS"
const RINGS = ["X-Heddle-Rings", "1"] as [string, string]
const CAPACITY = 65_536
const LIMIT = 200
const NONCE = Buffer.alloc(NONCE_SIZE, "what is written in it")

function offer(descriptor: number, capacity = CAPACITY): Buffer {
  const body = Buffer.alloc(8)
  body.writeUInt32BE(descriptor >>> 0, 0)
  body.writeUInt32BE(capacity >>> 0, 4)
  return Buffer.concat([body, NONCE])
}

describeNative("Offers of shared memory to a listener", real => {
  closesAfterEach()

  let native: Addon
  let counts: Counts
  let transport: IpcTransport
  beforeEach(() => {
    ;({ native, counts } = countingNative(real))
    transport = new IpcTransport(() => native)
  })

  let door: Door
  let endpoint: string
  beforeEach(async () => {
    door = new Door()
    const options = { handshakeInterval: LIMIT }
    const listener = await transport.listen(parseEndpoint("ipc://*"), local("PULL", { options }), door)
    endpoint = listener.endpoint
    later(() => listener.close())
    later(() => {
      for (const one of door.connections) one.close()
    })
  })

  /** A peer that has shaken hands up to where the offer is due. */
  const peer = async (...properties: [string, string][]): Promise<RawPeer> => {
    const raw = await RawPeer.connect(endpoint)
    later(() => raw.destroy())
    await raw.shake("PUSH", ...(properties.length === 0 ? [RINGS] : properties))
    return raw
  }

  const made = (size: number): number => {
    const { descriptor, memory } = real.createMemory(size)
    NONCE.copy(new Uint8Array(memory, NONCE_AT))
    later(() => real.releaseMemory(memory))
    later(() => real.closeDescriptor(descriptor))
    return descriptor
  }

  /** The socket goes on: what comes over it is delivered. */
  const overSocket = async (raw: RawPeer): Promise<Connection> => {
    const connection = await door.next()
    const sink = new Collector(connection)
    await raw.write(message("over the socket"))
    await sink.has(1)
    assert.deepEqual(sink.texts, ["over the socket"])
    assert.equal(counts.opened, counts.released)
    return connection
  }

  it("are not expected of who does not know them, or another version", async () => {
    for (const property of [["X-Other", "1"] as [string, string], ["X-Heddle-Rings", "2"] as [string, string]]) {
      const raw = await peer(property)
      await overSocket(raw)
    }
    assert.equal(counts.refused, 0)
  })

  it("that are empty are none: the socket goes on without an answer", async () => {
    const raw = await peer()
    await raw.write(command(NAME))
    const connection = await overSocket(raw)
    assert.equal(raw.waiting, 0)
    connection.close()
  })

  const file = (name: string, flags: string): number => {
    const descriptor = fs.openSync(name, flags)
    later(() => fs.closeSync(descriptor))
    return descriptor
  }
  const BAD: [what: string, body: () => Buffer][] = [
    ["of a regular file", () => offer(file("/proc/self/exe", "r"))],
    [
      "of a file as large as the memory should be",
      () => {
        const name = path.join(temporaryFolder(), "file")
        fs.writeFileSync(name, Buffer.alloc(sharedSize(CAPACITY)))
        return offer(file(name, "r+"))
      },
    ],
    ["of /dev/zero", () => offer(file("/dev/zero", "r+"))],
    ["of a folder", () => offer(file("/tmp", "r"))],
    [
      "of a pipe",
      () => {
        const name = path.join(temporaryFolder(), "pipe")
        execFileSync("mkfifo", [name])
        const descriptor = fs.openSync(name, fs.constants.O_RDWR | fs.constants.O_NONBLOCK)
        later(() => fs.closeSync(descriptor))
        return offer(descriptor)
      },
    ],
    ["of no descriptor", () => offer(999_999)],
    ["of descriptor -1", () => offer(-1)],
    ["of memory that is too small", () => offer(made(sharedSize(CAPACITY) - 4096))],
    ["of memory that is too large", () => offer(made(sharedSize(CAPACITY) + 4096))],
    ["of memory for another capacity", () => offer(made(sharedSize(CAPACITY)), 2 * CAPACITY)],
    ["with a capacity of 0", () => offer(made(sharedSize(CAPACITY)), 0)],
    ["with a capacity of 4096 - 8", () => offer(made(sharedSize(4096 - 8)), 4096 - 8)],
    ["with a capacity that is no power of two", () => offer(made(sharedSize(65_544)), 65_544)],
    ["with a capacity of 2^31", () => offer(made(sharedSize(CAPACITY)), 2 ** 31)],
    ["with a capacity of 2^32 - 1", () => offer(made(sharedSize(CAPACITY)), 2 ** 32 - 1)],
    ["with more than the most that is shared", () => offer(made(sharedSize(2 * MAX_RING)), 2 * MAX_RING)],
    ["with the most that a ring can be", () => offer(made(sharedSize(CAPACITY)), MAX_CAPACITY)],
    ["of one byte", () => Buffer.alloc(1)],
    ["of seven bytes", () => offer(made(sharedSize(CAPACITY))).subarray(0, 7)],
    ["without what is written in the memory", () => offer(made(sharedSize(CAPACITY))).subarray(0, 8)],
    ["with a part of what is written in it", () => offer(made(sharedSize(CAPACITY))).subarray(0, 23)],
    ["with more than is due", () => Buffer.concat([offer(made(sharedSize(CAPACITY))), NONCE])],
  ]
  for (const [what, body] of BAD) {
    it(`${what} are declined, and the socket goes on`, async () => {
      const raw = await peer()
      await raw.write(command(NAME, body()))
      const { name, data } = await raw.readCommand()
      assert.equal(name, NAME)
      assert.equal(data.length, 0)
      await overSocket(raw)
      assert.equal(counts.opened, 0)
    })
  }

  it("of memory in which something else is written are declined, and it is given back", async () => {
    const raw = await peer()
    const body = offer(made(sharedSize(CAPACITY)))
    body[body.length - 1] ^= 1
    await raw.write(command(NAME, body))
    const { data } = await raw.readCommand()
    assert.equal(data.length, 0)
    await overSocket(raw)
    assert.deepEqual([counts.opened, counts.released], [1, 1])
  })

  it("are opened when they are right, and given back when the peer leaves", async () => {
    const descriptor = made(sharedSize(CAPACITY))
    const leaks = new Leaks()
    const raw = await peer()
    await raw.write(command(NAME, offer(descriptor)))
    const { data } = await raw.readCommand()
    assert.deepEqual([...data], [1])
    const sink = new Collector(await door.next())
    assert.equal(counts.opened, 1)
    raw.destroy()
    await sink.gone()
    await leaks.gone()
    assert.equal(counts.released, 1)
  })

  it("do not make bytes on the socket messages: they only wake", async () => {
    const raw = await peer()
    await raw.write(command(NAME, offer(made(sharedSize(CAPACITY)))), message("on the socket"))
    await raw.readCommand()
    const sink = new Collector(await door.next())
    await raw.write(message("and again"), Buffer.alloc(100_000, 7))
    raw.end()
    await sink.gone()
    assert.equal(sink.count, 0)
  })

  /** The handshake ends with this error, and nothing is left of it. */
  const fails = async (code: string, ...bytes: Buffer[]): Promise<void> => {
    const leaks = new Leaks()
    const raw = await peer()
    await raw.write(...bytes)
    await until(() => door.failures.length > 0)
    assert.equal(door.connections.length, 0)
    const { error } = door.failures[0]
    assert.ok(error instanceof HeddleError)
    assert.equal(error.code, code)
    await raw.gone
    raw.destroy()
    await leaks.gone()
    assert.equal(counts.opened, counts.released)
  }

  it("that never come end with the handshake's time", () => fails("ERR_HANDSHAKE_TIMEOUT"))

  it("that come in part end with the handshake's time", () =>
    fails("ERR_HANDSHAKE_TIMEOUT", command(NAME, offer(3)).subarray(0, 15)))

  it("in the place of which a message comes are a fault", () =>
    fails("ERR_ZMTP_UNEXPECTED_COMMAND", message("too early")))

  it("in the place of which another command comes are a fault", () =>
    fails("ERR_ZMTP_UNEXPECTED_COMMAND", command("SUBSCRIBE", "a")))

  it("before which READY comes a second time are a fault", () =>
    fails("ERR_ZMTP_UNEXPECTED_COMMAND", ready("PUSH", RINGS)))

  it("in the place of which ERROR comes are its end", () => fails("ERR_ZMTP_PEER_ERROR", command("ERROR", "\x02no")))

  it("that are malformed commands are a fault", () =>
    fails("ERR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED", Buffer.from([4, 3, 200, 65, 65])))

  it("that are larger than a handshake command may be are a fault", () =>
    fails("EMSGSIZE", Buffer.from([6, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff])))

  it("before READY are a fault", async () => {
    const raw = await RawPeer.connect(endpoint)
    later(() => raw.destroy())
    await raw.write(GREETING, command(NAME, offer(3)))
    await until(() => door.failures.length > 0)
    assert.ok(door.failures[0].error instanceof HeddleError)
    assert.match(door.failures[0].error.code, /^ERR_ZMTP_/)
  })

  it("after the handshake are ignored, as any command that nobody knows", async () => {
    const raw = await peer(["X-Other", "1"])
    await raw.write(command(NAME, offer(made(sharedSize(CAPACITY)))))
    await overSocket(raw)
  })

  it("leave nothing behind when the peer goes right after them", async () => {
    const descriptor = made(sharedSize(CAPACITY))
    const leaks = new Leaks()
    for (let round = 0; round < 20; round++) {
      const raw = await peer()
      await raw.write(command(NAME, offer(descriptor)))
      raw.destroy()
      if (round % 2 === 0) new Collector(await door.next())
    }
    await until(() => door.connections.length + door.failures.length >= 20)
    for (const one of door.connections) one.close()
    await leaks.gone()
    assert.equal(counts.opened, counts.released)
  })
})
