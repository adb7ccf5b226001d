import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import type { SpoolOptions } from "../../../bridge-kafka/spool/options.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { LONG_RUN, seeded } from "../../support/random.ts"
import { numbered, numberOf, openSpool, readAll } from "./records.ts"

const ROUNDS = LONG_RUN ? 2000 : 60

/** A folder as a crash leaves it: copied while the spool was open. The mark first, as nothing in it may be newer than the segments. */
function snapshot(folder: string): string {
  const copy = temporaryFolder()
  for (const name of ["mark", ...fs.readdirSync(folder).filter(name => /\.(log|index)$/.test(name))])
    fs.copyFileSync(path.join(folder, name), path.join(copy, name))
  return copy
}

interface Crashed {
  folder: string
  /** Size of the last segment after each group, and how many records there were then. */
  groups: { size: number; records: number }[]
  last: string
  segments: string[]
}

async function crashed(groups: number, perGroup: number, options: Partial<SpoolOptions> = {}): Promise<Crashed> {
  const folder = temporaryFolder()
  const spool = await openSpool(folder, options)
  const sizes: Crashed["groups"] = []
  let last = ""
  for (let group = 0; group < groups; group++) {
    for (let i = 0; i < perGroup; i++) spool.append(numbered(spool.next, 40 + (spool.next % 90)), 0)
    await spool.flush()
    const newest = segmentsOf(folder).at(-1) as string
    if (newest !== last) sizes.length = 0
    last = newest
    sizes.push({ size: fs.statSync(path.join(folder, last)).size, records: spool.durable })
  }
  const copy = snapshot(folder)
  await spool.close()
  return { folder: copy, groups: sizes, last: path.join(copy, last), segments: segmentsOf(copy) }
}

function segmentsOf(folder: string): string[] {
  return fs
    .readdirSync(folder)
    .filter(name => name.endsWith(".log"))
    .sort()
}

function copyOf(folder: string): string {
  const copy = temporaryFolder()
  fs.cpSync(folder, copy, { recursive: true })
  return copy
}

/** The records are 0 up to `count`, each as it was written. */
async function check(folder: string, count: number, options: Partial<SpoolOptions> = {}): Promise<void> {
  const spool = await openSpool(folder, options)
  assert.equal(spool.next, count)
  const records = await readAll(spool, 0)
  for (let i = 0; i < count; i++) assert.deepEqual(records[i].value, numbered(i, 40 + (i % 90)).value)
  // And it can be gone on with.
  assert.equal(spool.append(numbered(count), 0), count)
  await spool.flush()
  assert.equal(numberOf((await readAll(spool, count))[0]), count)
  await spool.close()
}

function flip(file: string, bit: number): void {
  const bytes = fs.readFileSync(file)
  bytes[bit >> 3] ^= 1 << (bit & 7)
  fs.writeFileSync(file, bytes)
}

describe("recovery of a spool (SPOOL-2)", () => {
  closesAfterEach()

  it("cuts a tail torn at any byte, and says how much: what is left is a prefix with all groups that were whole", () =>
    seeded(async random => {
      // The mark is written a tenth of a second after a group: it does not know of the last ones, as after a crash of the machine.
      const { folder, groups, last } = await crashed(6, 40)
      fs.rmSync(path.join(folder, "mark"))
      for (let round = 0; round < ROUNDS; round++) {
        const copy = copyOf(folder)
        const file = path.join(copy, path.basename(last))
        const size = random.int(0, groups.at(-1)?.size ?? 0)
        fs.truncateSync(file, size)
        const whole = groups.filter(group => group.size <= size).at(-1)?.records ?? 0
        const spool = await openSpool(copy)
        assert.ok(spool.next >= whole, `${spool.next} records of ${whole} with ${size} bytes`)
        const { next, tornTail } = spool
        assert.equal((tornTail?.offset ?? size) + (tornTail?.bytes ?? 0), size)
        await spool.close()
        await check(copy, next)
      }
    }))

  it("cuts what a torn write left of noise or zeros", () =>
    seeded(async random => {
      const { folder, last, groups } = await crashed(3, 20)
      const count = groups.at(-1)?.records ?? 0
      for (const noise of [Buffer.alloc(5), Buffer.alloc(10_000), random.bytes(21), random.bytes(9000)]) {
        const copy = copyOf(folder)
        fs.appendFileSync(path.join(copy, path.basename(last)), noise)
        const spool = await openSpool(copy)
        assert.equal(spool.tornTail?.bytes, noise.length)
        await spool.close()
        await check(copy, count)
      }
    }))

  it("cuts a last group whose blocks reached the disk out of order: whole records behind a hole are no damage", () =>
    seeded(async random => {
      const options = { segmentBytes: 1_000_000 }
      const { folder, groups, last } = await crashed(4, 120, options)
      fs.rmSync(path.join(folder, "mark"))
      const [synced, end] = [groups[2], groups[3]]
      for (let round = 0; round < 20; round++) {
        const copy = copyOf(folder)
        const file = path.join(copy, path.basename(last))
        const bytes = fs.readFileSync(file)
        const hole = random.int(synced.size, end.size - 1000)
        bytes.fill(0, hole, hole + random.int(100, 900))
        fs.writeFileSync(file, bytes)
        const spool = await openSpool(copy, options)
        const { next, tornTail } = spool
        assert.ok(next >= synced.records && next < end.records)
        assert.ok(tornTail !== null && tornTail.offset <= hole && tornTail.offset + tornTail.bytes === end.size)
        await spool.close()
        await check(copy, next, options)
      }
    }))

  it("refuses a flipped bit anywhere after a clean end, or reports it to the reader", () =>
    seeded(async random => {
      const folder = temporaryFolder()
      const spool = await openSpool(folder)
      for (let i = 0; i < 400; i++) {
        spool.append(numbered(i, 40 + (i % 90)), 0)
        if (random.chance(0.05)) await spool.flush()
      }
      await spool.close()
      const names = segmentsOf(folder)
      assert.ok(names.length >= 3)
      for (let round = 0; round < ROUNDS; round++) {
        const copy = copyOf(folder)
        const file = path.join(copy, random.pick(names))
        // Of the header of a segment with an index only the reading without it depends.
        const header = file.endsWith(names.at(-1) as string) ? 0 : 24
        flip(file, random.int(header * 8, fs.statSync(file).size * 8 - 1))
        const before = fs.readFileSync(file)
        await assert.rejects(
          async () => {
            const opened = await openSpool(copy)
            await readAll(opened, 0)
          },
          (error: Error & { code: string }) => {
            assert.equal(error.code, "ERR_SPOOL")
            assert.ok(error.message.includes(file), error.message)
            assert.match(error.message, /at byte \d+: (record|the checksum|it has no)/)
            return true
          },
        )
        assert.deepEqual(fs.readFileSync(file), before)
      }
    }))

  it("refuses damage before the last sync of a crashed spool, even with no mark", async () => {
    const { folder, last, groups } = await crashed(3, 20)
    fs.rmSync(path.join(folder, "mark"))
    flip(last, (groups[1].size - 20) * 8)
    await assert.rejects(openSpool(folder), { code: "ERR_SPOOL", message: /checksum.*|no length/ })
  })

  it("refuses records cut off that were known to be on the disk", async () => {
    const folder = temporaryFolder()
    const spool = await openSpool(folder)
    for (let i = 0; i < 10; i++) spool.append(numbered(i), 0)
    await spool.close()
    const file = path.join(folder, segmentsOf(folder)[0])
    fs.truncateSync(file, fs.statSync(file).size - 1)
    await assert.rejects(openSpool(folder), { code: "ERR_SPOOL" })
    // Between two records: no checksum is wrong, but some are missing.
    fs.truncateSync(file, 24)
    await assert.rejects(openSpool(folder), { code: "ERR_SPOOL", message: /records 0 to 9 are missing/ })
    fs.rmSync(file)
    await assert.rejects(openSpool(folder), { code: "ERR_SPOOL", message: /no segment/ })
  })

  it("begins a last segment of no bytes, or of half a header, anew", async () => {
    for (const size of [0, 1, 23]) {
      const { folder, groups } = await crashed(3, 20)
      const count = groups.at(-1)?.records ?? 0
      fs.writeFileSync(path.join(folder, `${String(count).padStart(16, "0")}.log`), Buffer.alloc(size, 72))
      await check(folder, count)
    }
  })

  it("opens a folder in which nothing but its making was done", async () => {
    for (const size of [0, 1, 4100]) {
      const folder = temporaryFolder()
      fs.writeFileSync(path.join(folder, "mark"), Buffer.alloc(size))
      await check(folder, 0)
    }
  })

  it("reads a segment whose index is missing, damaged or of another file", async () => {
    const { folder, segments } = await crashed(8, 60)
    assert.ok(segments.length >= 4)
    const index = (at: number): string => path.join(folder, segments[at].replace(".log", ".index"))
    const count = (await openSpool(copyOf(folder))).next
    fs.rmSync(index(0))
    flip(index(1), 300)
    fs.copyFileSync(index(1), index(2))
    await check(folder, count)
  })

  it("reads and checks a segment without an index, and refuses a damaged one", async () => {
    const { folder, segments } = await crashed(8, 60)
    const file = path.join(folder, segments[1])
    fs.rmSync(file.replace(".log", ".index"))
    flip(file, 5000 * 8)
    await assert.rejects(openSpool(folder), (error: Error) => error.message.includes(file))
  })

  it("refuses a segment that is missing, at the beginning and in the middle", async () => {
    const { folder, segments } = await crashed(8, 60)
    for (const at of [0, 1]) {
      const copy = copyOf(folder)
      fs.rmSync(path.join(copy, segments[at]))
      await assert.rejects(openSpool(copy), { code: "ERR_SPOOL" })
    }
  })

  it("removes what interrupted work left: temporary files, lone indexes, freed segments", async () => {
    const folder = temporaryFolder()
    const spool = await openSpool(folder)
    for (let i = 0; i < 900; i++) spool.append(numbered(i), 0)
    await spool.flush()
    const [first] = segmentsOf(folder)
    const kept = fs.readFileSync(path.join(folder, first))
    spool.release(800)
    await spool.close()
    // As if the crash had come before its deletion, but after that of the next one.
    fs.writeFileSync(path.join(folder, first), kept)
    fs.writeFileSync(path.join(folder, "0000000000000007.index"), "")
    fs.writeFileSync(path.join(folder, "0000000000000000.index.tmp"), "")
    fs.writeFileSync(path.join(folder, "not-ours.txt"), "")
    const again = await openSpool(folder)
    assert.equal(again.next, 900)
    assert.ok(again.first > 0)
    assert.equal((await readAll(again)).length, 900 - again.first)
    const names = fs.readdirSync(folder)
    assert.ok(!names.includes(first))
    assert.ok(!names.some(name => name.endsWith(".tmp") || name === "0000000000000007.index"))
    assert.ok(names.includes("not-ours.txt"))
  })

  it("takes the older slot of a torn mark, and refuses one that has none", async () => {
    const folder = temporaryFolder()
    const spool = await openSpool(folder)
    for (let i = 0; i < 10; i++) spool.append(numbered(i), 0)
    await spool.flush()
    spool.release(4)
    await spool.close()
    const mark = path.join(folder, "mark")
    for (const slot of [0, 4096]) {
      const copy = copyOf(folder)
      flip(path.join(copy, "mark"), (slot + 15) * 8)
      const opened = await openSpool(copy)
      assert.ok(opened.released <= 4)
      assert.equal(opened.id, spool.id)
      assert.equal(opened.next, 10)
    }
    flip(mark, 100)
    flip(mark, (4096 + 20) * 8)
    await assert.rejects(openSpool(folder), { code: "ERR_SPOOL", message: /slots/ })
  })

  it("changes its id when a crash may have taken what readers had seen: fsync never", async () => {
    const folder = temporaryFolder()
    const spool = await openSpool(folder, { fsync: { mode: "never" } })
    for (let i = 0; i < 10; i++) spool.append(numbered(i), 0)
    await spool.flush()
    const crash = snapshot(folder)
    await spool.close()
    assert.notEqual((await openSpool(crash)).id, spool.id)
    assert.equal((await openSpool(folder)).id, spool.id)
  })
})
