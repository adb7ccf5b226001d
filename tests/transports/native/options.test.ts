import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import type { SocketOption } from "../../../transports/native/addon.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { codeOf, describeNative } from "./addon-fixtures.ts"

describeNative("Native socket options", native => {
  closesAfterEach()

  function tcp(family: 4 | 6 = 4): number {
    const descriptor = native.createTcpSocket(family)
    later(() => native.closeDescriptor(descriptor))
    return descriptor
  }

  it("are what was set", () => {
    const descriptor = tcp()
    const values: [SocketOption, number][] = [
      ["IP_TOS", 0x10],
      ["SO_KEEPALIVE", 1],
      ["TCP_KEEPCNT", 3],
      ["TCP_KEEPIDLE", 20],
      ["TCP_KEEPINTVL", 4],
      ["TCP_USER_TIMEOUT", 12_345],
    ]
    for (const [name, value] of values) {
      assert.notEqual(native.getOption(descriptor, name), value, name)
      native.setOption(descriptor, name, value)
      assert.equal(native.getOption(descriptor, name), value, name)
    }
    for (const name of ["SO_RCVBUF", "SO_SNDBUF"] as const) {
      native.setOption(descriptor, name, 20_000)
      assert.equal(native.getOption(descriptor, name), 40_000, name)
    }
    const six = tcp(6)
    native.setOption(six, "IPV6_TCLASS", 0x20)
    assert.equal(native.getOption(six, "IPV6_TCLASS"), 0x20)
  })

  it("are refused with the system's code", () => {
    const descriptor = tcp()
    const cases: [number, string, unknown, string][] = [
      [descriptor, "TCP_KEEPCNT", 0, "EINVAL"],
      [descriptor, "TCP_KEEPCNT", 1.5, "EINVAL"],
      [descriptor, "TCP_KEEPCNT", 2 ** 31, "EINVAL"],
      [descriptor, "SO_NONE", 1, "EINVAL"],
      [descriptor, "x".repeat(100), 1, "EINVAL"],
      [descriptor, "IPV6_TCLASS", 1, "ENOPROTOOPT"],
      [999_999, "IP_TOS", 1, "EBADF"],
    ]
    for (const [fd, name, value, code] of cases) {
      assert.equal(
        codeOf(() => native.setOption(fd, name as SocketOption, value as number)),
        code,
        name,
      )
    }
    assert.equal(
      codeOf(() => native.getOption(999_999, "IP_TOS")),
      "EBADF",
    )
    assert.equal(
      codeOf(() => native.createTcpSocket(5 as 4)),
      "EINVAL",
    )
  })

  it("bind a socket to an interface: the loopback reaches the loopback", async () => {
    const server = net.createServer(socket => socket.on("error", () => {})).listen(0, "127.0.0.1")
    later(() => server.close())
    await once(server, "listening")
    const descriptor = native.createTcpSocket(4)
    native.bindToDevice(descriptor, "lo")
    const socket = using(new net.Socket({ fd: descriptor, manualStart: true } as unknown as net.SocketConstructorOpts))
    socket.connect({ port: (server.address() as net.AddressInfo).port, host: "127.0.0.1" })
    await once(socket, "connect")
    assert.equal(
      codeOf(() => native.bindToDevice(tcp(), "nosuch0")),
      "ENODEV",
    )
    for (const name of ["x".repeat(16), null]) {
      assert.equal(
        codeOf(() => native.bindToDevice(tcp(), name as string)),
        "EINVAL",
      )
    }
  })
})
