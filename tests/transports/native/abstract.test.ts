import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { codeOf, describeNative } from "./addon-fixtures.ts"

describeNative("Native abstract names", native => {
  closesAfterEach()
  let names = 0

  function freshName(): string {
    return `heddle-test-${process.pid}-${names++}`
  }

  it("connect both ways, through Node's servers and sockets", async () => {
    for (const name of [freshName(), freshName().padEnd(107, "x"), `${freshName()}-é`]) {
      const server = net.createServer(socket => socket.pipe(socket))
      later(() => server.close())
      server.listen({ fd: native.bindAbstract(name) })
      await once(server, "listening")
      const socket = using(new net.Socket({ fd: native.connectAbstract(name) }))
      socket.write("hello")
      assert.equal(String((await once(socket, "data"))[0]), "hello")
    }
  })

  it("are of exactly their length: one name is not the beginning of another", async () => {
    const name = freshName()
    const server = net.createServer()
    later(() => server.close())
    server.listen({ fd: native.bindAbstract(name) })
    await once(server, "listening")
    for (const other of [`${name}\0`, name.slice(0, -1), `${name}x`]) {
      assert.equal(
        codeOf(() => native.connectAbstract(other)),
        "ECONNREFUSED",
      )
    }
    assert.equal(
      codeOf(() => native.bindAbstract(name)),
      "EADDRINUSE",
    )
  })

  it("are refused when they are too long, empty or no text", () => {
    for (const [name, code] of [
      ["x".repeat(108), "ENAMETOOLONG"],
      ["x".repeat(5_000), "ENAMETOOLONG"],
      ["é".repeat(54), "ENAMETOOLONG"],
      ["", "EINVAL"],
      [7, "EINVAL"],
      [undefined, "EINVAL"],
    ] as const) {
      assert.equal(
        codeOf(() => native.bindAbstract(name as string)),
        code,
      )
      assert.equal(
        codeOf(() => native.connectAbstract(name as string)),
        code,
      )
    }
  })
})
