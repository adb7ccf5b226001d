import assert from "node:assert/strict"
import { SYSTEM_DISK } from "../../../bridge-kafka/spool/disk.ts"
import type { Origin } from "../../../bridge-kafka/spool/record-format.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { Program } from "../../support/processes.ts"
import { turns, until } from "../../support/wait.ts"
import { numbered, numberOf, openSpool, readAll, take } from "./records.ts"

const SPOOL = new URL("../../../bridge-kafka/spool/spool.js", import.meta.url)

function origin(number: number): Origin {
  return { publisher: "p", epoch: 7, number, floor: 1 }
}

/** A disk whose syncs wait until they are let through, or fail. */
function slowDisk() {
  let open: () => void = () => {}
  let gate = new Promise<void>(resolve => {
    open = resolve
  })
  let failing: Error | null = null
  return {
    ...SYSTEM_DISK,
    sync: async (file: Parameters<typeof SYSTEM_DISK.sync>[0]) => {
      await gate
      if (failing !== null) throw failing
      await SYSTEM_DISK.sync(file)
    },
    let(error: Error | null = null): void {
      failing = error
      open()
      gate = Promise.resolve()
    },
  }
}

function fails(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

describe("a reader of the spool that reads ahead", () => {
  closesAfterEach()

  it("gets records with an origin before they are durable; others do not", async () => {
    const disk = slowDisk()
    const spool = await openSpool(temporaryFolder(), { disk })
    const reader = spool.reader({ ahead: true })
    const other = spool.reader()
    const next = reader.next()
    for (let i = 0; i < 3; i++) spool.append(numbered(i), 0, "", origin(i + 1))
    assert.deepEqual((await next)?.records.map(numberOf), [0, 1, 2])
    assert.equal(spool.durable, 0)
    assert.equal(other.read(), null)
    const durable = spool.whenDurable(2)
    disk.let()
    await durable
    assert.deepEqual((await take(other, 3)).map(numberOf), [0, 1, 2])
    await reader.close()
  })

  it("does not get plain records, nor what is behind them, before they are durable", async () => {
    const disk = slowDisk()
    const spool = await openSpool(temporaryFolder(), { disk })
    const reader = spool.reader({ ahead: true })
    spool.append(numbered(0), 0, "", origin(1))
    spool.append(numbered(1), 0)
    spool.append(numbered(2), 0, "", origin(2))
    assert.deepEqual(reader.read()?.records.map(numberOf), [0])
    assert.equal(reader.read(), null)
    disk.let()
    assert.deepEqual((await take(reader, 2)).map(numberOf), [1, 2])
    // Nothing plain waits any more.
    spool.append(numbered(3), 0, "", origin(3))
    assert.deepEqual(reader.read()?.records.map(numberOf), [3])
    await reader.close()
  })

  it("may release what is not durable; the mark on the disk follows when it is", async () => {
    const disk = slowDisk()
    const folder = temporaryFolder()
    const spool = await openSpool(folder, { disk })
    const reader = spool.reader({ ahead: true })
    for (let i = 0; i < 3; i++) spool.append(numbered(i), 0, "", origin(i + 1))
    assert.equal(reader.read()?.records.length, 3)
    assert.throws(() => spool.release(4), { code: "EINVAL" })
    spool.release(2)
    assert.equal(spool.released, 2)
    disk.let()
    await spool.whenDurable(2)
    await spool.close()
    const again = await openSpool(folder)
    assert.equal(again.released, 2)
    assert.deepEqual((await readAll(again, 2)).map(numberOf), [2])
  })

  it("gets nothing more that a full disk has not taken, until it has", async () => {
    const disk = slowDisk()
    const spool = await openSpool(temporaryFolder(), { disk })
    const reader = spool.reader({ ahead: true })
    spool.append(numbered(0), 0, "", origin(1))
    assert.equal(reader.read()?.records.length, 1)
    spool.append(numbered(1), 0, "", origin(2))
    disk.let(fails("ENOSPC"))
    void spool.flush().catch(() => {})
    await until(() => spool.stats().diskFull)
    assert.equal(reader.read(), null)
    disk.let()
    assert.deepEqual((await take(reader, 1)).map(numberOf), [1])
    await reader.close()
  })

  it("gets nothing more when the disk failed, and who waits for the disk is told", async () => {
    const disk = slowDisk()
    const spool = await openSpool(temporaryFolder(), { disk })
    const reader = spool.reader({ ahead: true })
    spool.append(numbered(0), 0, "", origin(1))
    assert.equal(reader.read()?.records.length, 1)
    spool.append(numbered(1), 0, "", origin(2))
    const durable = spool.whenDurable(0)
    disk.let(fails("EIO"))
    await assert.rejects(durable, { code: "ERR_SPOOL" })
    assert.equal(reader.read(), null)
    await assert.rejects(reader.next(), { code: "ERR_SPOOL" })
    // It was stored elsewhere all the same.
    spool.release(1)
    await turns()
    assert.equal(spool.durable, 0)
  })

  it("leaves a folder that is sound when the process is killed: nothing is released that is not there", async () => {
    const folder = temporaryFolder()
    const open = { segmentBytes: 200_000 }
    let end = 0
    for (let round = 0; round < 4; round++) {
      // Everything is read from memory and released at once; the disk comes up to a second later.
      const program = Program.start(`
        import fs from "node:fs"
        import { Spool } from "${SPOOL}"
        const spool = await Spool.open({ folder: ${JSON.stringify(folder)}, segmentBytes: 200_000, fsync: { mode: "interval", interval: 1000 } })
        const reader = spool.reader({ from: spool.next, ahead: true })
        const step = () => {
          for (let i = 0; i < 40; i++) {
            const value = Buffer.alloc(100)
            value.writeUInt32LE(spool.next)
            spool.append({ subject: "s", topic: "", partition: -1, key: null, value, headers: [], timestamp: 0 }, 0, "",
              { publisher: "p", epoch: 1, number: spool.next + 1, floor: 1 })
          }
          for (let batch = reader.read(); batch !== null; batch = reader.read());
          spool.release(reader.position)
          if (spool.released > spool.durable && spool.durable > ${end}) fs.writeSync(1, "ahead " + spool.released + "\\n")
          setTimeout(step, 2)
        }
        step()
      `)
      await program.says(/ahead \d+\n/)
      await program.kill()
      const spool = await openSpool(folder, open)
      assert.ok(spool.released <= spool.next)
      assert.ok(spool.next > end)
      for (const found of await readAll(spool)) assert.equal(numberOf(found), found.sequence)
      end = spool.next
      await spool.close()
    }
  })
})
