import assert from "node:assert/strict"
import { once } from "node:events"
import fs from "node:fs"
import net from "node:net"
import os from "node:os"
import path from "node:path"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { codeOf, describeNative } from "./addon-fixtures.ts"

function descriptorOf(socket: net.Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd
}

describeNative("Native doorbell and credentials", native => {
  closesAfterEach()

  async function pair(address: net.ListenOptions): Promise<[net.Socket, net.Socket]> {
    const server = net.createServer()
    later(() => server.close())
    server.listen(address)
    await once(server, "listening")
    const dialled = using(net.connect(server.address() as net.TcpNetConnectOpts & string))
    dialled.on("error", () => {})
    const [accepted] = (await once(server, "connection")) as [net.Socket]
    accepted.on("error", () => {})
    if (dialled.connecting) await once(dialled, "connect")
    return [dialled, using(accepted)]
  }

  function socketPath(): string {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-native-"))
    later(() => fs.rmSync(folder, { recursive: true, force: true }))
    return path.join(folder, "socket")
  }

  it("knows the process at the other end of a Unix socket", async () => {
    for (const socket of await pair({ path: socketPath() })) {
      assert.deepEqual(native.peerCredentials(descriptorOf(socket)), {
        pid: process.pid,
        uid: process.getuid?.(),
        gid: process.getgid?.(),
      })
    }
  })

  it("knows nobody behind TCP, files and numbers that are no descriptors", async () => {
    const [socket] = await pair({ host: "127.0.0.1", port: 0 })
    assert.equal(native.peerCredentials(descriptorOf(socket)), null)
    const file = fs.openSync("/dev/null", "r")
    later(() => fs.closeSync(file))
    assert.equal(native.peerCredentials(file), null)
    assert.equal(native.peerCredentials(999_999), null)
    assert.equal(
      codeOf(() => native.peerCredentials(-1)),
      "EINVAL",
    )
  })

  it("rings with one zero byte", async () => {
    const [here, there] = await pair({ path: socketPath() })
    const read = once(there, "data")
    assert.equal(native.ring(descriptorOf(here)), true)
    assert.deepEqual((await read)[0], Buffer.from([0]))
  })

  it("takes a full socket for rung, and says when the connection is gone", async () => {
    const [here, there] = await pair({ path: socketPath() })
    there.pause()
    // More than any socket buffer holds: the last of them found it full.
    for (let ring = 0; ring < 2_000; ring++) assert.equal(native.ring(descriptorOf(here)), true)
    const closed = once(there, "close")
    there.destroy()
    await closed
    assert.equal(native.ring(descriptorOf(here)), false)
    assert.equal(native.ring(-1), false)
    assert.equal(native.ring(undefined as unknown as number), false)
    assert.equal(native.ring(999_999), false)
  })

  it("closes a descriptor once", () => {
    const { memory, descriptor } = native.createMemory(4096)
    native.closeDescriptor(descriptor)
    native.releaseMemory(memory)
    assert.equal(
      codeOf(() => native.closeDescriptor(descriptor)),
      "EBADF",
    )
    assert.equal(
      codeOf(() => native.closeDescriptor(Number.NaN)),
      "EINVAL",
    )
  })
})
