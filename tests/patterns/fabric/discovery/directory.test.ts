import assert from "node:assert/strict"
import crypto from "node:crypto"
import { once } from "node:events"
import fs from "node:fs"
import net from "node:net"
import os from "node:os"
import path from "node:path"
import { type DirectoryOptions, directory } from "../../../../patterns/fabric/discovery/directory.ts"
import { baseFolder, folderName } from "../../../../patterns/fabric/discovery/folder.ts"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { DiscoveryNode } from "../../../support/discovery-node.ts"
import { Program } from "../../../support/processes.ts"
import { pass, until } from "../../../support/wait.ts"

const SOMEWHERE = "tcp://127.0.0.1:7000"
const id = (): string => crypto.randomBytes(16).toString("base64url")

describe("Discovery by a directory", () => {
  closesAfterEach()

  let base: string
  let shop: string
  beforeEach(() => {
    base = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-test-"))
    shop = path.join(base, "shop")
    later(() => fs.rmSync(base, { recursive: true, force: true }))
  })

  const node = (options: DirectoryOptions = {}): DiscoveryNode =>
    new DiscoveryNode("shop", directory({ path: base, rescan: 20, ...options }))

  /** A node in a process of its own, that listens and announces itself. */
  const stranger = async (): Promise<{ program: Program; node: string }> => {
    const name = id()
    const program = Program.start(`
      import net from "node:net"
      import { directory } from "${new URL("../../../../patterns/fabric/discovery/directory.js", import.meta.url)}"
      const source = directory({ path: ${JSON.stringify(base)} })
      const endpoint = await source.endpoint("shop", "${name}")
      net.createServer().listen(endpoint.slice(6), async () => {
        const host = { fabric: "shop", node: "${name}", found() {}, lost() {}, warn() {} }
        await source.start(host, { fabric: "shop", node: "${name}", name: "stranger", endpoints: [endpoint] })
        console.log("announced")
      })
    `)
    await program.says(/announced/)
    return { program, node: name }
  }

  const filesOf = (name: string): string[] => fs.readdirSync(shop).filter(file => file.startsWith(name))

  /** What a killed process leaves: a socket that nobody listens at. */
  const staleSocket = async (name: string): Promise<void> => {
    const file = path.join(shop, `${name}.sock`)
    const server = net.createServer().listen(`${file}.live`)
    await once(server, "listening")
    // The server removes the name that it knows.
    fs.renameSync(`${file}.live`, file)
    server.close()
    await once(server, "close")
  }

  const write = (name: string, text: string): void => {
    fs.mkdirSync(shop, { recursive: true, mode: 0o700 })
    fs.writeFileSync(path.join(shop, `${name}.json`), text)
  }

  const announcement = (name: string, pid: number, endpoints = [`ipc://${shop}/${name}.sock`]): string =>
    JSON.stringify({ fabric: "shop", node: name, name: "x", endpoints, pid })

  describe("the folder", () => {
    const refuses = async (code: string, text: RegExp, options: DirectoryOptions = {}): Promise<void> => {
      const one = node(options)
      const expected = (error: { code?: string; message: string }): boolean => {
        assert.equal(error.code, code)
        assert.match(error.message, text)
        return true
      }
      await assert.rejects(async () => one.source.endpoint?.("shop", one.node), expected)
      await assert.rejects(one.join(SOMEWHERE), expected)
    }

    it("is made for its owner alone", async () => {
      await node({ path: path.join(base, "new") }).join(SOMEWHERE)
      for (const made of [path.join(base, "new"), path.join(base, "new", "shop")]) {
        assert.equal(fs.statSync(made).mode & 0o777, 0o700)
      }
      for (const file of fs.readdirSync(path.join(base, "new", "shop")).filter(name => name.endsWith(".json"))) {
        assert.equal(fs.statSync(path.join(base, "new", "shop", file)).mode & 0o077, 0)
      }
    })

    it("is refused when others may write to it", async () => {
      for (const mode of [0o777, 0o770, 0o1777]) {
        fs.chmodSync(base, mode)
        await refuses("EACCES", /others may write/)
      }
      fs.chmodSync(base, 0o700)
      fs.mkdirSync(shop)
      fs.chmodSync(shop, 0o722)
      await refuses("EACCES", /others may write.*HEDDLE_DIR/)
    })

    it("is refused when anybody may rename it", async () => {
      fs.chmodSync(base, 0o777)
      await refuses("EACCES", /not sticky/, { path: path.join(base, "mine") })
      fs.chmodSync(base, 0o1777)
      await node({ path: path.join(base, "mine") }).join(SOMEWHERE)
    })

    it("is refused when it belongs to another user", async function () {
      // Only root can give a folder away.
      if (process.getuid?.() !== 0) this.skip()
      fs.chownSync(base, 12345, 12345)
      await refuses("EACCES", /belongs to user 12345/)
    })

    it("is refused when it is a link or a file", async () => {
      const target = path.join(base, "target")
      fs.mkdirSync(target, { mode: 0o700 })
      fs.symlinkSync(target, shop)
      await refuses("EACCES", /symbolic link/)
      fs.rmSync(shop)
      fs.symlinkSync(path.join(base, "nowhere"), shop)
      await refuses("EACCES", /symbolic link/)
      fs.rmSync(shop)
      fs.writeFileSync(shop, "")
      await refuses("EACCES", /no folder/)
    })

    it("is refused when the paths of sockets would be too long", async () => {
      await refuses("ENAMETOOLONG", /107.*HEDDLE_DIR/, { path: path.join(base, "x".repeat(80)) })
    })

    it("is named like the fabric, or by a hash", () => {
      for (const name of ["shop", "a", "shop-2_b", "x".repeat(24)]) assert.equal(folderName(name), name)
      const others = ["Shop", "shöp", "..", ".", "a/b", "x".repeat(25), "x".repeat(500), "shop~1", "-x", " ", "\0"]
      const hashed = others.map(folderName)
      for (const name of hashed) assert.match(name, /^[a-z0-9]{0,7}~[0-9a-f]{16}$/)
      assert.equal(new Set(hashed).size, others.length)
    })

    it("is the first that the environment names", async () => {
      const { HEDDLE_DIR, XDG_RUNTIME_DIR } = process.env
      later(() => {
        Object.assign(process.env, { HEDDLE_DIR, XDG_RUNTIME_DIR })
        if (HEDDLE_DIR === undefined) delete process.env.HEDDLE_DIR
        if (XDG_RUNTIME_DIR === undefined) delete process.env.XDG_RUNTIME_DIR
      })
      const folder = async (): Promise<string> =>
        path.dirname((await directory().endpoint?.("shop", "n")) ?? "").replace("ipc://", "")
      process.env.XDG_RUNTIME_DIR = base
      delete process.env.HEDDLE_DIR
      assert.equal(await folder(), path.join(base, "heddle", "shop"))
      process.env.HEDDLE_DIR = path.join(base, "own")
      assert.equal(await folder(), path.join(base, "own", "shop"))
      assert.equal(baseFolder(undefined, "darwin"), path.join(base, "own"))
      // Paths of sockets are short on macOS, its folder for temporary files is not.
      delete process.env.HEDDLE_DIR
      delete process.env.XDG_RUNTIME_DIR
      assert.match(baseFolder(undefined, "darwin"), /^\/tmp\/heddle-\d+$/)
    })
  })

  it("has found everybody when the start is done", async () => {
    const others = [await node().join(SOMEWHERE), await node().join(SOMEWHERE)]
    const one = await node().join(SOMEWHERE)
    assert.ok(others.every(other => one.has(other)))
    assert.equal(one.candidates.length, 2)
  })

  it("tells which of two was there first, and tells both the same", async () => {
    const one = await node().join(SOMEWHERE)
    const two = await node().join(SOMEWHERE)
    await until(() => one.has(two))
    assert.deepEqual([one.candidates[0].older, two.candidates[0].older], [false, true])
    // Files written in the same moment, as a file system with coarse times sees it: one of the two is the elder all the same.
    const [three, four] = [node(), node()]
    await Promise.all([three.join(SOMEWHERE), four.join(SOMEWHERE)])
    await until(() => three.has(four) && four.has(three))
    const olderTo = (from: typeof one, other: typeof one): boolean | undefined =>
      from.candidates.find(candidate => candidate.node === other.node)?.older
    assert.equal(olderTo(three, four), !olderTo(four, three))
  })

  it("finds a newcomer by watching, long before it looks again", async () => {
    const one = await node({ rescan: 1_000_000 }).join(SOMEWHERE)
    const two = await node({ rescan: 1_000_000 }).join(SOMEWHERE)
    await until(() => one.has(two))
    await two.source.stop()
    await until(() => one.losses.includes(two.node))
  })

  it("shows that a node lives which listens elsewhere", async () => {
    const one = node()
    one.endpoints = ["tcp://127.0.0.1:7001", "tcp://127.0.0.1:7002"]
    await one.start()
    const two = await node().join(SOMEWHERE)
    assert.deepEqual(two.candidates, [{ endpoints: one.endpoints, node: one.node, older: true }])
    // For as long as it likes: it is looked at again and again.
    await pass(300)
    assert.deepEqual(two.losses, [])
    await one.source.stop()
    assert.deepEqual(filesOf(one.node), [])
  })

  it("refuses to announce a socket at which the node does not listen", async () => {
    const one = node()
    one.endpoints = [(await one.source.endpoint?.("shop", one.node)) ?? ""]
    await assert.rejects(one.start(), { code: "EINVAL" })
    assert.deepEqual(fs.readdirSync(shop), [])
  })

  it("removes what a killed process left, at the next start", async () => {
    const { program, node: dead } = await stranger()
    await program.kill()
    assert.deepEqual(filesOf(dead).sort(), [`${dead}.json`, `${dead}.sock`])
    const one = await node().join(SOMEWHERE)
    assert.deepEqual(filesOf(dead), [])
    assert.deepEqual([one.candidates, one.warnings], [[], []])
  })

  it("notices that a process is killed while it looks on", async () => {
    const one = await node().join(SOMEWHERE)
    const { program, node: doomed } = await stranger()
    await until(() => one.candidates.some(candidate => candidate.node === doomed))
    await program.kill()
    await until(() => one.losses.includes(doomed))
    await until(() => filesOf(doomed).length === 0)
    assert.deepEqual(one.losses, [doomed])
  })

  it("takes a halted process for a living one", async () => {
    const { program, node: halted } = await stranger()
    program.signal("SIGSTOP")
    const one = await node().join(SOMEWHERE)
    await pass(500)
    assert.deepEqual(one.losses, [])
    assert.equal(one.candidates.at(-1)?.node, halted)
    program.signal("SIGCONT")
  })

  it("is not deceived by the number of a dead process that another has now", async () => {
    const one = await node().join(SOMEWHERE)
    const dead = id()
    await staleSocket(dead)
    write(dead, announcement(dead, process.pid))
    await until(() => one.losses.includes(dead))
    await until(() => filesOf(dead).length === 0)
  })

  it("does not take a living node for dead because it cannot see its process", async () => {
    // As when containers share the folder: the numbers mean nothing to each other.
    const other = await node().join(SOMEWHERE)
    const file = path.join(shop, `${other.node}.json`)
    const text = fs.readFileSync(file, "utf8").replace(`"pid":${process.pid}`, '"pid":4194305')
    assert.match(text, /4194305/)
    fs.writeFileSync(file, text)
    const one = await node().join(SOMEWHERE)
    assert.ok(one.has(other))
    await pass(500)
    assert.deepEqual(one.losses, [])
    assert.deepEqual(filesOf(other.node).length, 2)
  })

  it("finds sockets where it sees the folder itself", async () => {
    const other = await node().join(SOMEWHERE)
    const file = path.join(shop, `${other.node}.json`)
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replaceAll(base, "/elsewhere"))
    const one = await node().join(SOMEWHERE)
    assert.ok(one.has(other))
  })

  it("removes sockets that were never announced, once it is sure of them", async () => {
    fs.mkdirSync(shop, { mode: 0o700 })
    const dead = id()
    await staleSocket(dead)
    fs.writeFileSync(path.join(shop, `${dead}.tmp`), "{")
    const living = node()
    await living.listen(SOMEWHERE)
    const one = await node({ rescan: 50 }).join(SOMEWHERE)
    // Not at first sight: between bind and listen a socket refuses too.
    assert.equal(filesOf(dead).length, 2)
    await until(() => filesOf(dead).length === 0)
    await pass(200)
    assert.deepEqual(filesOf(living.node), [`${living.node}.sock`])
    assert.deepEqual(one.warnings, [])
  })

  it("leaves files alone that are none of its own", async () => {
    fs.mkdirSync(shop, { mode: 0o700 })
    const strange = ["readme.txt", "x.json", `${id()}.txt`, `${id()}x.json`, ".hidden"]
    for (const name of strange) fs.writeFileSync(path.join(shop, name), "?")
    const one = await node().join(SOMEWHERE)
    await pass(100)
    await one.source.stop()
    assert.deepEqual(fs.readdirSync(shop).filter(name => strange.includes(name)).length, strange.length)
    assert.deepEqual(one.warnings, [])
  })

  it("ignores malformed announcements, and says so once", async () => {
    const whole = (changes: object): string => JSON.stringify({ ...JSON.parse(announcement("x", 1)), ...changes })
    const wrong = new Map<string, string>()
    const texts = (name: string): string[] => [
      "",
      "{",
      "null",
      "[]",
      '"x"',
      "x".repeat(1_000_000),
      whole({}),
      whole({ node: id() }),
      whole({ node: name, fabric: "bank" }),
      whole({ node: name, fabric: 7 }),
      whole({ node: name, name: null }),
      whole({ node: name, endpoints: [] }),
      whole({ node: name, endpoints: "tcp://127.0.0.1:1" }),
      whole({ node: name, endpoints: [7] }),
      whole({ node: name, endpoints: ["nonsense"] }),
      whole({ node: name, endpoints: ["tcp://a b:1"] }),
      whole({ node: name, endpoints: [`tcp://${"x".repeat(400)}:1`] }),
      whole({ node: name, endpoints: Array(17).fill(SOMEWHERE) }),
    ]
    for (let at = 0; at < texts("").length; at++) {
      const name = id()
      wrong.set(name, texts(name)[at])
      write(name, texts(name)[at])
    }
    const folder = id()
    fs.mkdirSync(path.join(shop, `${folder}.json`))
    const link = id()
    // What it leads to would be in order.
    fs.writeFileSync(path.join(base, "elsewhere"), announcement(link, process.pid))
    fs.symlinkSync(path.join(base, "elsewhere"), path.join(shop, `${link}.json`))
    const one = await node().join(SOMEWHERE)
    const two = await node().join(SOMEWHERE)
    await until(() => one.has(two))
    await pass(100)
    assert.equal(one.warnings.length, wrong.size + 2)
    for (const { code, message } of one.warnings) {
      assert.equal(code, "EPROTO")
      assert.match(message, /is ignored: /)
    }
    assert.ok(one.candidates.every(candidate => candidate.node === two.node))
  })

  it("removes the malformed announcement of a dead node", async () => {
    const dead = id()
    write(dead, "{")
    await staleSocket(dead)
    const one = await node().join(SOMEWHERE)
    assert.deepEqual([filesOf(dead), one.warnings], [[], []])
  })

  it("announces itself again when its announcement is removed, and is not called lost", async () => {
    const one = await node().join(SOMEWHERE)
    const two = await node().join(SOMEWHERE)
    await until(() => two.has(one) && one.has(two))
    fs.rmSync(path.join(shop, `${one.node}.json`))
    await until(() => filesOf(one.node).length === 2)
    const late = await node().join(SOMEWHERE)
    await until(() => late.has(one))
    assert.deepEqual(two.losses, [])
  })

  it("survives that its folder is removed, with a warning", async () => {
    const one = await node().join(SOMEWHERE)
    fs.rmSync(shop, { recursive: true })
    await until(() => one.warnings.length > 0)
    await pass(200)
    assert.deepEqual(
      one.warnings.map(({ code }) => code),
      ["ENOENT"],
    )
    await one.source.stop()
  })

  it("keeps no more nodes in mind than its limit", async () => {
    const others = [await node().join(SOMEWHERE), await node().join(SOMEWHERE), await node().join(SOMEWHERE)]
    const one = await node({ limit: 2 }).join(SOMEWHERE)
    await pass(100)
    assert.equal(new Set(one.candidates.map(candidate => candidate.node)).size, 2)
    assert.deepEqual(
      one.warnings.map(({ code }) => code),
      ["EMFILE"],
    )
    assert.ok(others.every(other => other.warnings.length === 0))
  })

  it("refuses options that make no sense", () => {
    assert.throws(() => directory({ rescan: 0 }), { code: "EINVAL" })
    assert.throws(() => directory({ limit: 0 }), { code: "EINVAL" })
  })
})
