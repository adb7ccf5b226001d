import assert from "node:assert/strict"
import { once } from "node:events"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { Worker } from "node:worker_threads"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { Program } from "../../support/processes.ts"
import { codeOf, describeNative } from "./addon-fixtures.ts"

const SIZE = 65_536
const MODULE = new URL("../../../transports/native/native.js", import.meta.url).href

/** How often the process has a file mapped. */
function mappings(inode: number): number {
  const lines = fs.readFileSync("/proc/self/maps", "utf8").split("\n")
  return lines.filter(line => line.split(/ +/)[4] === String(inode)).length
}

describeNative("Native memory", native => {
  closesAfterEach()

  function created(size = SIZE): { memory: ArrayBuffer; descriptor: number } {
    const made = native.createMemory(size)
    later(() => native.releaseMemory(made.memory))
    later(() => fs.existsSync(`/proc/self/fd/${made.descriptor}`) && native.closeDescriptor(made.descriptor))
    return made
  }

  function opened(descriptor: number, size = SIZE): ArrayBuffer {
    const memory = native.openMemory(process.pid, descriptor, size)
    later(() => native.releaseMemory(memory))
    return memory
  }

  it("is the same in two mappings, also after its descriptor is closed", () => {
    const { memory, descriptor } = created()
    const other = opened(descriptor)
    native.closeDescriptor(descriptor)
    assert.equal(memory.byteLength, SIZE)
    assert.equal(other.byteLength, SIZE)
    assert.ok(new Uint8Array(memory).every(byte => byte === 0))
    const here = new Int32Array(memory)
    const there = new Int32Array(other)
    Atomics.store(here, 5, 77)
    assert.equal(Atomics.load(there, 5), 77)
    there[16_383] = -1
    assert.equal(here[16_383], -1)
  })

  it("is taken from its views at once when it is released, twice without harm", () => {
    const { memory } = created()
    const view = new Uint8Array(memory, 16)
    native.releaseMemory(memory)
    assert.equal(memory.byteLength, 0)
    assert.equal(view.length, 0)
    assert.equal(view[0], undefined)
    view[0] = 1
    native.releaseMemory(memory)
  })

  it("unmaps what is released and nothing else, also when the address is in use again", async () => {
    const released: number[] = []
    const stillMapped = (): number[] => released.filter(inode => mappings(inode) > 0)
    for (let round = 0; round < 20; round++) {
      const { memory, descriptor } = native.createMemory(SIZE)
      const { ino } = fs.fstatSync(descriptor)
      assert.equal(mappings(ino), 1)
      released.push(ino)
      native.releaseMemory(memory)
      native.closeDescriptor(descriptor)
    }
    const kept = created()
    new Uint8Array(kept.memory).fill(7)
    assert.deepEqual(stillMapped(), [])
    // The finalizers of the released ones run in later turns of the loop.
    for (let turn = 0; turn < 10; turn++) await new Promise(done => setImmediate(done))
    assert.equal(mappings(fs.fstatSync(kept.descriptor).ino), 1)
    assert.ok(new Uint8Array(kept.memory).every(byte => byte === 7))
  })

  it("refuses to release what is not its own", () => {
    assert.equal(
      codeOf(() => native.releaseMemory(new ArrayBuffer(8))),
      "EINVAL",
    )
    for (const wrong of [null, undefined, 1, new Uint8Array(8), new SharedArrayBuffer(8)]) {
      assert.equal(
        codeOf(() => native.releaseMemory(wrong as unknown as ArrayBuffer)),
        "EINVAL",
      )
    }
  })

  it("refuses sizes that are none", () => {
    for (const size of [0, -1, 1.5, Number.NaN, 2 ** 30 + 1, Number.POSITIVE_INFINITY, "1", undefined, {}]) {
      assert.equal(
        codeOf(() => native.createMemory(size as number)),
        "EINVAL",
        String(size),
      )
    }
  })

  it("is opened with exactly the size that it has", () => {
    const { descriptor } = created()
    for (const size of [SIZE - 1, SIZE + 1, 1, 2 * SIZE, 2 ** 30]) {
      assert.equal(
        codeOf(() => opened(descriptor, size)),
        "EINVAL",
      )
    }
    assert.equal(opened(descriptor).byteLength, SIZE)
  })

  it("cannot be made smaller under its readers", () => {
    const { descriptor } = created()
    assert.throws(() => fs.ftruncateSync(descriptor, 100), { code: "EPERM" })
    assert.throws(() => fs.ftruncateSync(descriptor, 2 * SIZE), { code: "EPERM" })
  })

  it("opens nothing but sealed memory: no files, folders, pipes, devices, sockets", () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-native-"))
    later(() => fs.rmSync(folder, { recursive: true }))
    const file = path.join(folder, "/memfd:heddle (deleted)".replaceAll("/", ""))
    fs.writeFileSync(file, Buffer.alloc(SIZE))
    const places: [string, string][] = [
      [file, "r+"],
      [folder, "r"],
      ["/dev/null", "r+"],
      ["/dev/zero", "r+"],
      ["/proc/self/mem", "r"],
    ]
    if (fs.existsSync("/dev/shm")) {
      const shared = `/dev/shm/heddle-native-${process.pid}`
      fs.writeFileSync(shared, Buffer.alloc(SIZE))
      later(() => fs.rmSync(shared))
      places.push([shared, "r+"])
    }
    for (const [place, flags] of places) {
      const descriptor = fs.openSync(place, flags)
      later(() => fs.closeSync(descriptor))
      assert.equal(
        codeOf(() => opened(descriptor)),
        "EINVAL",
        place,
      )
    }
  })

  it("answers any numbers with an error, and leaves no descriptor open", () => {
    const { descriptor } = created()
    const open = () => fs.readdirSync("/proc/self/fd").length
    const before = open()
    const odd = [
      -1,
      0,
      0.5,
      1,
      2,
      3,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 32 + descriptor,
      2 ** 53,
      -0,
      Number.NaN,
      Infinity,
      "3",
      null,
    ]
    for (const pid of [...odd, process.pid]) {
      for (const number of [...odd, 999_999]) {
        const code = codeOf(() => native.openMemory(pid as number, number as number, SIZE))
        assert.match(code, /^E[A-Z]+$/, `${pid} ${number}`)
      }
    }
    assert.equal(
      codeOf(() => native.openMemory(2 ** 31 - 1, descriptor, SIZE)),
      "ENOENT",
    )
    assert.equal(open(), before)
  })

  it("is shared with another process, and lives on when that is killed", async () => {
    const other = Program.start(`
      const { loadNative } = await import(${JSON.stringify(MODULE)})
      const { memory, descriptor } = loadNative().createMemory(${SIZE})
      const view = new Int32Array(memory)
      view[1] = 42
      console.log("descriptor " + descriptor + ".")
      process.stdin.on("data", () => console.log("has " + Atomics.load(view, 2) + "."))
    `)
    const [, number] = await other.says(/descriptor (\d+)\./)
    const pid = other.child.pid as number
    const memory = native.openMemory(pid, Number(number), SIZE)
    later(() => native.releaseMemory(memory))
    const view = new Int32Array(memory)
    assert.equal(Atomics.load(view, 1), 42)
    Atomics.store(view, 2, 43)
    other.child.stdin?.write("look")
    await other.says(/has 43\./)
    other.child.kill("SIGKILL")
    await other.exited
    assert.equal(Atomics.load(view, 1), 42)
    assert.equal(
      codeOf(() => native.openMemory(pid, Number(number), SIZE)),
      "ENOENT",
    )
  })

  it("goes with the worker thread that had it, and not with another", async () => {
    const { memory, descriptor } = created()
    const worker = new Worker(new URL("./memory-worker.js", import.meta.url), {
      workerData: { descriptor, size: SIZE },
    })
    later(() => worker.terminate())
    const [seen] = await once(worker, "message")
    assert.equal(seen, "mapped")
    assert.equal(new Uint8Array(memory)[3], 9)
    await worker.terminate()
    new Uint8Array(memory)[3] = 10
    assert.equal(new Uint8Array(memory)[3], 10)
    assert.equal(mappings(fs.fstatSync(descriptor).ino), 1)
  })
})
