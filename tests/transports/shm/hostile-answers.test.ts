import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import type { Connection } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { IpcTransport } from "../../../transports/ipc.ts"
import type { Addon } from "../../../transports/native/addon.ts"
import { NONCE_SIZE } from "../../../transports/shm/ring-layout.ts"
import { sharedSize } from "../../../transports/shm/ring-stream.ts"
import { freeIpc } from "../../support/addresses.ts"
import { command, message, property } from "../../support/bytes.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { local } from "../../support/link-options.ts"
import { RawPeer } from "../../support/raw-peer.ts"
import { Collector } from "../../support/sinks.ts"
import { until } from "../../support/wait.ts"
import { describeNative } from "../native/addon-fixtures.ts"
import { type Counts, countingNative, Leaks } from "./memory-counts.ts"

const NAME = "HEDDLE-RINGS"
const RINGS = ["X-Heddle-Rings", "1"] as [string, string]
const CAPACITY = 65_536
const LIMIT = 200

describeNative("Our offers of shared memory", real => {
  closesAfterEach()

  let native: Addon
  let counts: Counts
  let transport: IpcTransport
  beforeEach(() => {
    ;({ native, counts } = countingNative(real))
    transport = new IpcTransport(() => native)
  })

  let server: net.Server
  let endpoint: string
  let arrived: Promise<RawPeer>
  beforeEach(async () => {
    endpoint = freeIpc()
    server = net.createServer({ allowHalfOpen: true })
    later(() => server.close())
    arrived = new Promise(resolve => {
      server.once("connection", socket => {
        const raw = new RawPeer(socket)
        later(() => raw.destroy())
        resolve(raw)
      })
    })
    server.listen(endpoint.slice(6))
    await once(server, "listening")
  })

  const dial = (signal = new AbortController().signal): Promise<Connection> => {
    const ours = local("PUSH", { options: { handshakeInterval: LIMIT, sharedMemory: CAPACITY } })
    const dialled = transport.dial(parseEndpoint(endpoint), ours, signal)
    dialled.catch(() => {})
    later(() =>
      dialled.then(
        one => one.close(),
        () => {},
      ),
    )
    return dialled
  }

  /** A binder that was made an offer. */
  const offered = async (): Promise<{ raw: RawPeer; body: Buffer }> => {
    const raw = await arrived
    const metadata = await raw.shake("PULL", RINGS)
    assert.ok(metadata.includes(property(...RINGS)))
    const { name, data } = await raw.readCommand()
    assert.equal(name, NAME)
    assert.equal(data.length, 8 + NONCE_SIZE)
    assert.equal(data.readUInt32BE(4), CAPACITY)
    return { raw, body: data }
  }

  it("are not made to who does not know them", async () => {
    const dialled = dial()
    const raw = await arrived
    await raw.shake("PULL")
    const connection = await dialled
    new Collector(connection)
    connection.send([Buffer.from("plain")])
    connection.flush?.()
    assert.deepEqual(await raw.readMessage(), ["plain"])
    assert.equal(counts.created, 0)
  })

  for (const [what, answer] of [
    ["nothing", ""],
    ["something else", "\x02"],
    ["more than is due", "\x01\x01"],
    ["64 KiB of noise", "x".repeat(60_000)],
  ]) {
    it(`that are answered by ${what} are taken back, and the socket goes on`, async () => {
      const leaks = new Leaks()
      const dialled = dial()
      const { raw } = await offered()
      await raw.write(command(NAME, answer), message("early"))
      const connection = await dialled
      const sink = new Collector(connection)
      connection.send([Buffer.from("over the socket")])
      connection.flush?.()
      assert.deepEqual(await raw.readMessage(), ["over the socket"])
      await sink.has(1)
      assert.deepEqual(sink.texts, ["early"])
      assert.deepEqual([counts.created, counts.closed, counts.released], [1, 1, 1])
      connection.close()
      raw.destroy()
      await leaks.gone()
    })
  }

  it("that are taken go on in memory, without the descriptor", async () => {
    const leaks = new Leaks()
    const dialled = dial()
    const { raw, body } = await offered()
    const memory = real.openMemory(process.pid, body.readUInt32BE(0), sharedSize(CAPACITY))
    await raw.write(command(NAME, "\x01"))
    const connection = await dialled
    const sink = new Collector(connection)
    assert.equal(counts.closed, 1)
    connection.send([Buffer.from("in memory")])
    connection.flush?.()
    await until(() => Buffer.from(memory).includes("in memory"))
    assert.equal(raw.waiting, 0)
    raw.destroy()
    await sink.gone()
    real.releaseMemory(memory)
    await leaks.gone()
  })

  /** The dial ends with this error, and nothing is left of it. */
  const fails = async (code: string, ...bytes: Buffer[]): Promise<void> => {
    const leaks = new Leaks()
    const dialled = dial()
    const { raw } = await offered()
    await raw.write(...bytes)
    await assert.rejects(dialled, { name: "HeddleError", code })
    await raw.gone
    raw.destroy()
    await leaks.gone()
    assert.deepEqual([counts.created, counts.closed, counts.released], [1, 1, 1])
  }

  it("that nobody answers end with the handshake's time", () => fails("ERR_HANDSHAKE_TIMEOUT"))

  it("that are answered by a message are a fault", () => fails("ERR_ZMTP_UNEXPECTED_COMMAND", message("hello")))

  it("that are answered by another command are a fault", () =>
    fails("ERR_ZMTP_UNEXPECTED_COMMAND", command("HEDDLE-OTHER", "\x01")))

  it("that are answered by ERROR are their end", () => fails("ERR_ZMTP_PEER_ERROR", command("ERROR", "\x02no")))

  it("leave nothing behind when the peer goes instead of answering", async () => {
    const leaks = new Leaks()
    const dialled = dial()
    const { raw } = await offered()
    raw.destroy()
    await assert.rejects(dialled, { name: "HeddleError", code: "ECONNRESET" })
    await leaks.gone()
    assert.deepEqual([counts.created, counts.closed, counts.released], [1, 1, 1])
  })

  it("leave nothing behind when the dial is given up in between", async () => {
    const leaks = new Leaks()
    const controller = new AbortController()
    const dialled = dial(controller.signal)
    const { raw } = await offered()
    controller.abort()
    await assert.rejects(dialled, { name: "HeddleError", code: "ECONNABORTED" })
    raw.destroy()
    await leaks.gone()
    assert.deepEqual([counts.created, counts.closed, counts.released], [1, 1, 1])
  })

  it("are empty when there is no memory, and the socket goes on", async () => {
    native.createMemory = () => {
      throw Object.assign(new Error("createMemory"), { code: "EMFILE" })
    }
    const dialled = dial()
    const raw = await arrived
    await raw.shake("PULL", RINGS)
    const { data } = await raw.readCommand()
    assert.equal(data.length, 0)
    const connection = await dialled
    new Collector(connection)
    connection.send([Buffer.from("plain")])
    connection.flush?.()
    assert.deepEqual(await raw.readMessage(), ["plain"])
  })
})
