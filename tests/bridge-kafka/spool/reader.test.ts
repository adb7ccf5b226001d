import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { seeded } from "../../support/random.ts"
import { turns } from "../../support/wait.ts"
import { numbered, numberOf, openSpool, take } from "./records.ts"

describe("SpoolReader", () => {
  closesAfterEach()

  it("waits for more, and gets it when it is durable, not before", async () => {
    const spool = await openSpool(temporaryFolder())
    const reader = spool.reader()
    const next = reader.next()
    spool.append(numbered(0), 3, "an-id", { publisher: "p", epoch: 7, number: 1, floor: 1 })
    assert.equal(reader.read(), null)
    const batch = await next
    assert.equal(spool.durable, 1)
    assert.equal(batch?.missed, 0)
    const [found] = batch?.records ?? []
    assert.deepEqual([found.sequence, found.shard, found.id, found.origin?.epoch], [0, 3, "an-id", 7])
    assert.equal(reader.position, 1)
    await reader.close()
  })

  it("reads the same from memory and from the disk, by several readers at once while it is written", () =>
    seeded(async random => {
      const count = 6000
      const spool = await openSpool(temporaryFolder(), { segmentBytes: 300_000, tailBytes: 1 })
      const froms = [0, 0, 1, 2500, 5999]
      const reading = froms.map(async (from, i) => {
        const reader = spool.reader({ from, maxRecords: [1, 7, 100, 4096, 4096][i] })
        const numbers: number[] = []
        while (numbers.length < count - from) {
          numbers.push(...(await take(reader, 1)).map(numberOf))
          if (i === 0 && numbers.length % 1000 === 0) await turns(20)
        }
        assert.deepEqual(
          numbers,
          Array.from({ length: count - from }, (_, at) => from + at),
        )
        await reader.close()
      })
      for (let i = 0; i < count; i++) {
        assert.equal(spool.append(numbered(i, random.int(4, 600)), 0), i)
        if (i % 200 === 0) await turns()
      }
      await Promise.all(reading)
    }))

  it("serves a reader that keeps up from memory at once", async () => {
    const spool = await openSpool(temporaryFolder())
    const reader = spool.reader()
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 20; i++) spool.append(numbered(round * 20 + i, 100), 0)
      await spool.flush()
      const numbers: number[] = []
      for (let batch = reader.read(); batch !== null; batch = reader.read())
        numbers.push(...batch.records.map(numberOf))
      assert.deepEqual(
        numbers,
        Array.from({ length: 20 }, (_, i) => round * 20 + i),
      )
    }
    await reader.close()
  })

  it("reads records longer than a block, from the disk", async () => {
    const folder = temporaryFolder()
    const options = { segmentBytes: 4_000_000 }
    const spool = await openSpool(folder, options)
    const sizes = [10, 1_000_000, 10, 262_144, 262_100, 3_000_000, 10]
    sizes.forEach((size, i) => void spool.append(numbered(i, size), 0))
    await spool.close()
    const again = await openSpool(folder, options)
    const reader = again.reader()
    assert.deepEqual(
      (await take(reader, sizes.length)).map(found => found.value?.length),
      sizes,
    )
    await reader.close()
  })

  it("gives views that stay as they are, however much is written after", async () => {
    const spool = await openSpool(temporaryFolder(), { segmentBytes: 500_000, tailBytes: 1 })
    spool.append(numbered(1, 50), 0)
    await spool.flush()
    const reader = spool.reader()
    const [found] = await take(reader, 1)
    for (let i = 0; i < 3000; i++) spool.append(numbered(2, 300), 0)
    await spool.flush()
    assert.deepEqual(found.value, numbered(1, 50).value)
    await reader.close()
  })

  it("ends a wait by a signal, and can go on after", async () => {
    const spool = await openSpool(temporaryFolder())
    const reader = spool.reader()
    const abort = new AbortController()
    const waiting = reader.next(abort.signal)
    abort.abort(new Error("enough"))
    await assert.rejects(waiting, /enough/)
    await assert.rejects(reader.next(AbortSignal.abort(new Error("before"))), /before/)
    spool.append(numbered(5), 0)
    assert.deepEqual((await take(reader, 1)).map(numberOf), [5])
    await reader.close()
  })

  it("ends when it is closed while it waits, and when its iteration is left", async () => {
    const spool = await openSpool(temporaryFolder())
    const reader = spool.reader()
    const waiting = reader.next()
    await reader.close()
    assert.equal(await waiting, null)
    spool.append(numbered(0), 0)
    const iterated = spool.reader()
    for await (const { records } of iterated) {
      assert.equal(records.length, 1)
      break
    }
    assert.equal(await iterated.next(), null)
  })

  it("says how many records were freed before it came to them", async () => {
    const spool = await openSpool(temporaryFolder(), { tailBytes: 1 })
    const reader = spool.reader()
    for (let i = 0; i < 500; i++) {
      spool.append(numbered(i, 300), 0)
      if (i % 40 === 0) await spool.flush()
    }
    await spool.flush()
    assert.equal((await take(reader, 1))[0].sequence, 0)
    const { position } = reader
    spool.release(450)
    const batch = await reader.next()
    assert.equal(batch?.missed, spool.first - position)
    assert.ok((batch?.missed ?? 0) > 0)
    assert.equal(batch?.records[0].sequence, spool.first)
    await reader.close()
  })
})
