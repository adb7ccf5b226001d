import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import fs from "node:fs"
import path from "node:path"
import { type Disk, SYSTEM_DISK } from "../../../bridge-kafka/spool/disk.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { until } from "../../support/wait.ts"
import { numbered, numberOf, openSpool, readAll } from "./records.ts"

function fails(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

/** A disk that works until an operation is told to fail. */
class FaultyDisk implements Disk {
  failing: { [operation in keyof Disk]?: string } = {}
  syncs = 0
  readonly create: Disk["create"] = async file => {
    this.check("create")
    return SYSTEM_DISK.create(file)
  }
  readonly write: Disk["write"] = async (file, buffers, position) => {
    if (this.failing.write !== undefined) {
      // Some of it gets there, as on a real one.
      await SYSTEM_DISK.write(file, [buffers[0].subarray(0, buffers[0].length >> 1)], position)
      this.check("write")
    }
    return SYSTEM_DISK.write(file, buffers, position)
  }
  readonly sync: Disk["sync"] = async file => {
    this.syncs++
    this.check("sync")
    return SYSTEM_DISK.sync(file)
  }

  private check(operation: keyof Disk): void {
    const code = this.failing[operation]
    if (code !== undefined) throw fails(code)
  }
}

/** A file system of one megabyte; null where this user may not mount one. */
function smallDisk(): string | null {
  const folder = fs.mkdtempSync(path.join(temporaryFolder(), "disk-"))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", folder], { stdio: "ignore" })
  } catch {
    return null
  }
  later(() => execFileSync("umount", [folder]))
  return folder
}

describe("a spool on a full or failing disk (SPOOL-5)", () => {
  closesAfterEach()

  for (const operation of ["create", "write", "sync"] as const)
    it(`waits while ${operation} says that the disk is full, refuses new records, and goes on`, async () => {
      const disk = new FaultyDisk()
      const folder = temporaryFolder()
      const spool = await openSpool(folder, { disk })
      if (operation !== "create") {
        spool.append(numbered(0), 0)
        await spool.flush()
      }
      disk.failing = { [operation]: "ENOSPC" }
      const first = spool.next
      for (let i = 0; i < 10; i++) assert.equal(spool.append(numbered(first + i), 0), first + i)
      await until(() => spool.stats().diskFull)
      assert.equal(spool.append(numbered(99), 0), -1)
      assert.equal(spool.stats().dropped.diskFull, 1)
      assert.equal(spool.durable, first)
      assert.equal(spool.failure, null)
      disk.failing = {}
      await spool.whenDurable(first + 9)
      assert.equal(spool.stats().diskFull, false)
      spool.append(numbered(first + 10), 0)
      await spool.close()
      const again = await openSpool(folder)
      assert.deepEqual(
        (await readAll(again, 0)).map(numberOf),
        Array.from({ length: first + 11 }, (_, i) => i),
      )
    })

  it("frees the oldest when the disk is full: drop-oldest", async () => {
    const disk = new FaultyDisk()
    const spool = await openSpool(temporaryFolder(), { disk, full: "drop-oldest" })
    for (let i = 0; i < 200; i++) {
      spool.append(numbered(i, 1000), 0)
      await spool.flush()
    }
    const { segments } = spool.stats()
    disk.failing = { write: "ENOSPC" }
    spool.append(numbered(200), 0)
    await until(() => spool.stats().segments < segments)
    disk.failing = {}
    await spool.whenDurable(200)
    assert.ok(spool.stats().dropped.oldest > 0)
    assert.equal(spool.stats().dropped.oldest, spool.first)
  })

  for (const operation of ["write", "sync"] as const)
    it(`stops for good when ${operation} fails: nothing is durable that was not, and no second sync is believed`, async () => {
      const disk = new FaultyDisk()
      const failures: Error[] = []
      const folder = temporaryFolder()
      const spool = await openSpool(folder, { disk, onFailure: error => failures.push(error) })
      for (let i = 0; i < 5; i++) spool.append(numbered(i), 0)
      await spool.flush()
      const reader = spool.reader({ from: 5 })
      const reading = reader.next()
      disk.failing = { [operation]: "EIO" }
      assert.equal(spool.append(numbered(5), 0), 5)
      await assert.rejects(spool.whenDurable(5), { code: "ERR_SPOOL", message: /EIO/ })
      await assert.rejects(reading, { code: "ERR_SPOOL" })
      const { syncs } = disk
      disk.failing = {}
      assert.equal(spool.append(numbered(6), 0), -1)
      assert.equal(spool.stats().dropped.closed, 1)
      assert.equal(spool.durable, 5)
      assert.equal(failures.length, 1)
      assert.equal(failures[0], spool.failure)
      await assert.rejects(spool.flush(), { code: "ERR_SPOOL" })
      // What is durable can still be read and released.
      assert.deepEqual((await readAll(spool, 0)).map(numberOf), [0, 1, 2, 3, 4])
      spool.release(5)
      await spool.close()
      assert.equal(disk.syncs, syncs)
      const again = await openSpool(folder)
      assert.ok(again.next >= 5)
    })

  it("does not hang in close when the disk is full, and says what was not written", async () => {
    const disk = new FaultyDisk()
    const spool = await openSpool(temporaryFolder(), { disk })
    disk.failing = { write: "ENOSPC" }
    spool.append(numbered(0), 0)
    await until(() => spool.stats().diskFull)
    await assert.rejects(spool.close(), { code: "ERR_SPOOL", message: /full.*could not be written/ })
  })

  it("survives a real file system that is full, and loses nothing that it took", async function () {
    const folder = smallDisk()
    if (folder === null) return this.skip()
    const spool = await openSpool(path.join(folder, "spool"), { segmentBytes: 100_000 })
    let count = 0
    while (!spool.stats().diskFull) {
      if (spool.append(numbered(count, 1000), 0) >= 0) count++
      else assert.ok(spool.stats().diskFull)
      await until(() => spool.durable === spool.next || spool.stats().diskFull)
    }
    assert.ok(spool.durable >= count - 1)
    assert.ok(count > 700, `${count}`)
    assert.equal(spool.append(numbered(count, 1000), 0), -1)
    spool.release(spool.durable - 100)
    await spool.whenDurable(count - 1)
    assert.equal(spool.append(numbered(count, 1000), 0), count)
    await spool.flush()
    const numbers = (await readAll(spool)).map(numberOf)
    assert.equal(numbers.at(-1), count)
    assert.equal(numbers.length, count + 1 - spool.first)
    await spool.close()
  })
})
