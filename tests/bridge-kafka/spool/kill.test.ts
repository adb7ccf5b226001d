import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { Program } from "../../support/processes.ts"
import { LONG_RUN, seeded } from "../../support/random.ts"
import { pass } from "../../support/wait.ts"
import { openSpool, readAll } from "./records.ts"

const ROUNDS = LONG_RUN ? 100 : 6
const SPOOL = new URL("../../../bridge-kafka/spool/spool.js", import.meta.url)

/** Appends as fast as it can for ever, and says what is durable and released. Each value tells its own number. */
function writer(folder: string, mode: string): Program {
  return Program.start(`
    import fs from "node:fs"
    import { Spool } from "${SPOOL}"
    const say = text => fs.writeSync(1, text + "\\n")
    const spool = await Spool.open({
      folder: ${JSON.stringify(folder)}, segmentBytes: 200_000, maxBytes: 100_000_000, fsync: { mode: "${mode}", interval: 1 },
      onDurable: durable => {
        say("durable " + durable)
        if (durable > spool.released + 3000) { spool.release(durable - 1500); say("released " + spool.released) }
      },
    })
    say("open " + spool.next)
    const step = () => {
      for (let i = 0; i < 40; i++) {
        const value = Buffer.alloc(4 + (spool.next * 7919) % 500, spool.next % 251)
        value.writeUInt32LE(spool.next)
        spool.append({ subject: "s." + spool.next % 10, topic: "", partition: -1, key: null, value, headers: [], timestamp: 0 }, 0)
      }
      setImmediate(step)
    }
    step()
  `)
}

function last(output: string, word: string): number {
  // The last line may be half of one.
  const lines = output.slice(0, output.lastIndexOf("\n") + 1).matchAll(new RegExp(`^${word} (\\d+)$`, "gm"))
  return Number([...lines].at(-1)?.[1] ?? 0)
}

describe("a spool whose process is killed", () => {
  closesAfterEach()

  for (const mode of ["always", "interval"])
    it(`has all that was durable, in order, and nothing else; fsync ${mode}`, () =>
      seeded(async random => {
        const folder = temporaryFolder()
        let end = 0
        for (let round = 0; round < ROUNDS; round++) {
          const program = writer(folder, mode)
          assert.equal(Number((await program.says(/open (\d+)/))[1]), end)
          await program.says(/durable \d+\n/)
          await pass(random.int(0, 150))
          await program.kill()
          const durable = last(program.output, "durable")
          const released = last(program.output, "released")
          const spool = await openSpool(folder, { segmentBytes: 200_000 })
          assert.ok(spool.next >= durable, `${spool.next} records, ${durable} were durable`)
          assert.ok(spool.released <= Math.max(released, durable))
          assert.ok(spool.first <= spool.released)
          const records = await readAll(spool)
          assert.equal(records.length, spool.next - spool.first)
          records.forEach((found, i) => {
            const number = spool.first + i
            const expected = Buffer.alloc(4 + ((number * 7919) % 500), number % 251)
            expected.writeUInt32LE(number)
            assert.equal(found.sequence, number)
            assert.deepEqual(found.value, expected)
          })
          end = spool.next
          await spool.close()
        }
        assert.ok(end > 0)
      }))
})
