import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import type { Spool } from "../../../bridge-kafka/spool/spool.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { seeded } from "../../support/random.ts"
import { until } from "../../support/wait.ts"
import { numbered, numberOf, openSpool, plain, randomOrigin, randomRecord, readAll, record } from "./records.ts"

function logs(folder: string): string[] {
  return fs.readdirSync(folder).filter(name => name.endsWith(".log"))
}

/** Appends until `count` more are in it, a group for every few. */
async function fill(spool: Spool, count: number, size = 100): Promise<void> {
  for (let i = 0; i < count; i++) {
    assert.equal(spool.append(numbered(spool.next, size), 0), spool.next - 1)
    if (i % 50 === 49) await spool.flush()
  }
  await spool.flush()
}

describe("Spool", () => {
  closesAfterEach()

  for (const mode of ["always", "interval", "never"] as const)
    it(`has after random appends, releases and reopenings what was appended, fsync ${mode}`, () =>
      seeded(async random => {
        const folder = temporaryFolder()
        const written: ReturnType<typeof randomRecord>[] = []
        let released = 0
        for (let round = 0; round < 6; round++) {
          const spool = await openSpool(folder, { fsync: { mode }, tailBytes: random.pick([1, 100_000]) })
          assert.equal(spool.next, written.length)
          assert.equal(spool.released, released)
          for (let i = random.int(0, 80); i > 0; i--) {
            const origin = randomOrigin(random)
            const wanted = randomRecord(random)
            assert.equal(spool.append(wanted, i, `id${i}`, origin), written.length)
            written.push(wanted)
            if (random.chance(0.1)) await spool.flush()
          }
          await spool.flush()
          assert.equal(spool.durable, written.length)
          released = random.int(released, written.length)
          spool.release(released)
          assert.ok(spool.first <= released)
          const records = await readAll(spool)
          assert.deepEqual(records.map(plain), written.slice(spool.first))
          assert.deepEqual(
            records.map(found => found.sequence),
            written.map((_, i) => i).slice(spool.first),
          )
          await spool.close()
        }
      }))

  it("tells of durability by group (SPOOL-3)", async () => {
    const marks: number[] = []
    const spool = await openSpool(temporaryFolder(), { onDurable: durable => marks.push(durable) })
    for (let i = 0; i < 100; i++) spool.append(numbered(i), 0)
    assert.equal(spool.durable, 0)
    const early = spool.whenDurable(99)
    await spool.whenDurable(3)
    await early
    assert.deepEqual(marks, [100])
    assert.equal(spool.stats().fsync.count, 1)
    await spool.whenDurable(0)
    await assert.rejects(spool.whenDurable(100), { code: "EINVAL" })
  })

  it("frees segments when all in them is released, and keeps the numbers going (SPOOL-4)", async () => {
    const folder = temporaryFolder()
    const spool = await openSpool(folder)
    await fill(spool, 500)
    const before = logs(folder).length
    assert.ok(before > 3)
    assert.equal(spool.stats().segments, before)
    spool.release(250)
    await until(() => logs(folder).length < before)
    assert.ok(spool.first > 0 && spool.first <= 250)
    spool.release(500)
    await until(() => logs(folder).length === 1)
    assert.equal(spool.stats().oldestAge, 0)
    await spool.close()
    const again = await openSpool(folder)
    assert.equal(again.next, 500)
    assert.equal(again.released, 500)
    assert.equal(again.append(numbered(500), 0), 500)
  })

  it("does not release what is not durable", async () => {
    const spool = await openSpool(temporaryFolder())
    spool.append(record(), 0)
    assert.throws(() => spool.release(1), { code: "EINVAL" })
  })

  it("refuses a record longer than a segment, and goes on", async () => {
    const spool = await openSpool(temporaryFolder())
    assert.throws(() => spool.append(numbered(0, 20_000), 0), { code: "EMSGSIZE" })
    assert.throws(() => spool.append(record({ timestamp: Number.NaN }), 0), { code: "EINVAL" })
    assert.equal(spool.append(numbered(0, 15_000), 0), 0)
    assert.equal(spool.append(numbered(1, 15_000), 0), 1)
    await spool.flush()
    assert.deepEqual((await readAll(spool)).map(numberOf), [0, 1])
    const narrow = await openSpool(temporaryFolder(), { bufferBytes: 5000 })
    assert.throws(() => narrow.append(numbered(0, 5000), 0), { code: "EMSGSIZE" })
  })

  it("refuses records when it is full, and takes them again after a release: block (SPOOL-5)", async () => {
    const folder = temporaryFolder()
    const spool = await openSpool(folder, { maxBytes: 64 * 1024 })
    let count = 0
    while (spool.append(numbered(count, 1000), 0) >= 0) if (++count % 5 === 0) await spool.flush()
    await spool.flush()
    assert.ok(count > 40 && count < 65, `${count}`)
    assert.equal(spool.stats().dropped.full, 1)
    assert.ok(spool.stats().bytes <= 64 * 1024)
    const size = logs(folder).reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0)
    assert.equal(spool.stats().bytes, size)
    assert.equal((await readAll(spool)).length, count)
    spool.release(count - 5)
    assert.equal(spool.append(numbered(count, 1000), 0), count)
  })

  it("frees the oldest segment and counts what was not released: drop-oldest (SPOOL-5)", async () => {
    const spool = await openSpool(temporaryFolder(), { maxBytes: 64 * 1024, full: "drop-oldest" })
    const reader = spool.reader({ from: 0 })
    for (let i = 0; i < 500; i++) {
      assert.equal(spool.append(numbered(i, 1000), 0), i)
      await spool.flush()
    }
    const { dropped, first, released, bytes } = spool.stats()
    assert.ok(first > 400)
    assert.equal(released, first)
    assert.equal(dropped.oldest, first)
    assert.ok(bytes <= 64 * 1024)
    const batch = await reader.next()
    assert.equal(batch?.missed, first)
    assert.equal(batch?.records[0].sequence, first)
  })

  it("refuses and counts: drop-new (SPOOL-5)", async () => {
    const spool = await openSpool(temporaryFolder(), { maxBytes: 64 * 1024, full: "drop-new" })
    let taken = 0
    for (let i = 0; i < 500; i++) if (spool.append(numbered(i, 1000), 0) >= 0) taken++
    await spool.flush()
    assert.equal(spool.stats().dropped.full, 500 - taken)
    assert.equal(spool.first, 0)
  })

  it("bounds what waits for the disk", async () => {
    const spool = await openSpool(temporaryFolder(), { bufferBytes: 10_000 })
    let count = 0
    while (spool.append(numbered(count, 1000), 0) >= 0) count++
    assert.ok(count >= 8 && count < 10, `${count}`)
    assert.equal(spool.stats().dropped.buffer, 1)
    await spool.flush()
    assert.equal(spool.append(numbered(count, 1000), 0), count)
  })

  it("bounds what stays in memory", async () => {
    const spool = await openSpool(temporaryFolder(), { tailBytes: 600_000 })
    await fill(spool, 3000, 1000)
    assert.ok(spool.stats().memory <= 600_000)
    assert.ok(spool.stats().bytes > 3_000_000)
  })

  it("keeps released records for replay, up to bytes", async () => {
    const folder = temporaryFolder()
    const spool = await openSpool(folder, { retain: { bytes: 100_000 } })
    await fill(spool, 300, 1000)
    spool.release(300)
    const { bytes, first } = spool.stats()
    assert.ok(bytes <= 100_000 && bytes > 80_000)
    assert.deepEqual(
      (await readAll(spool)).map(numberOf),
      Array.from({ length: 300 - first }, (_, i) => first + i),
    )
  })

  it("keeps released records for replay, up to an age", async () => {
    const spool = await openSpool(temporaryFolder(), { retain: { age: 80 } })
    await fill(spool, 100, 1000)
    spool.release(100)
    await until(() => spool.stats().segments === 1)
    assert.ok(spool.first > 0)
  })

  it("gives what is kept for replay up before it is full", async () => {
    const spool = await openSpool(temporaryFolder(), { maxBytes: 64 * 1024, retain: { bytes: 10_000_000 } })
    for (let i = 0; i < 300; i++) {
      assert.equal(spool.append(numbered(i, 1000), 0), i)
      await spool.flush()
      spool.release(i + 1)
    }
    assert.equal(spool.stats().dropped.full, 0)
    assert.ok(spool.stats().segments >= 3)
  })

  it("finds records by time, also after it was opened again", () =>
    seeded(async random => {
      const folder = temporaryFolder()
      let spool = await openSpool(folder, { segmentBytes: 200_000 })
      const times: number[] = []
      for (let i = 0; i < 4000; i++) {
        // Mostly rising, some late.
        times.push(1_700_000_000_000 + i * 10 - (random.chance(0.1) ? random.int(0, 5000) : 0))
        spool.append(record({ timestamp: times[i], value: Buffer.alloc(300) }), 0)
      }
      await spool.flush()
      for (let round = 0; round < 2; round++) {
        for (let look = 0; look < 20; look++) {
          const wanted = 1_700_000_000_000 + random.int(-100, 40_200)
          const at = times.findIndex(time => time >= wanted)
          assert.equal(await spool.find(wanted), at < 0 ? 4000 : at)
        }
        await spool.close()
        spool = await openSpool(folder, { segmentBytes: 200_000 })
      }
    }))

  it("ends its readers, refuses and counts after close; the folder is the user's alone", async () => {
    const folder = path.join(temporaryFolder(), "a", "b")
    const spool = await openSpool(folder)
    assert.equal(fs.statSync(folder).mode & 0o777, 0o700)
    const reader = spool.reader()
    const waiting = reader.next()
    spool.append(record(), 0)
    await spool.close()
    await waiting
    assert.equal(await reader.next(), null)
    assert.equal(spool.append(record(), 0), -1)
    assert.equal(spool.stats().dropped.closed, 1)
    assert.deepEqual(fs.readdirSync(folder).sort(), ["0000000000000000.log", "mark"])
  })

  it("keeps its id, and so the meaning of its numbers", async () => {
    const folder = temporaryFolder()
    const spool = await openSpool(folder)
    const { id } = spool
    await fill(spool, 10)
    await spool.close()
    const again = await openSpool(folder)
    assert.equal(again.id, id)
    assert.notEqual((await openSpool(temporaryFolder())).id, id)
  })

  it("refuses options that cannot be", async () => {
    for (const options of [
      { maxBytes: 0 },
      { segmentBytes: 100, maxBytes: 150 },
      { segmentBytes: 2 ** 40, maxBytes: 2 ** 42 },
      { full: "explode" as "block" },
      { fsync: { mode: "sometimes" as "always" } },
      { fsync: { mode: "interval" as const, interval: -1 } },
      { retain: { age: Number.NaN } },
    ])
      await assert.rejects(openSpool(temporaryFolder(), options), { code: "EINVAL" })
  })
})
