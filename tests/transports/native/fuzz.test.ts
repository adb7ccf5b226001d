import assert from "node:assert/strict"
import fs from "node:fs"
import type { Addon } from "../../../transports/native/addon.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { LONG_RUN, type Random, seeded } from "../../support/random.ts"
import { codeOf, describeNative } from "./addon-fixtures.ts"

const CALLS = LONG_RUN ? 200_000 : 4_000

/** Without those that change what a number means for others: they could hit a descriptor of Node's own. */
const HARMLESS = [
  "createMemory",
  "openMemory",
  "releaseMemory",
  "peerCredentials",
  "getOption",
  "deviceOf",
  "receiveDatagrams",
  "sendDatagrams",
] as const satisfies readonly (keyof Addon)[]

describeNative("Native functions with any arguments", native => {
  closesAfterEach()

  function anything(random: Random, shared: { descriptor: number; memory: ArrayBuffer }): unknown {
    const size = random.int(0, 100)
    return random.pick([
      () => shared.descriptor,
      () => process.pid,
      () => shared.memory,
      () => 4096,
      () => random.int(0, 60),
      () => random.int(-(2 ** 31), 2 ** 31),
      () => 2 ** random.int(0, 1_000) - random.int(0, 2),
      () => -random.next() * 1e10,
      () => Number.NaN,
      () => Number.NEGATIVE_INFINITY,
      () => -0,
      () => random.pick([null, undefined, true, "", "IP_TOS", "SO_DOMAIN", "x".repeat(size), 5n, Symbol("s")]),
      () => ({ valueOf: () => shared.descriptor }),
      () => new Uint8Array(size),
      () => new Uint8Array(shared.memory, size),
      () => new Uint8Array(new SharedArrayBuffer(size)),
      () => Int32Array.from({ length: size }, () => random.int(-3, 40)),
      () => new Float64Array(size),
      () => new DataView(shared.memory, size),
      () => new Proxy([], {}),
    ])()
  }

  it("answers or throws an error with a code, leaves no descriptor open and no memory mapped", () =>
    seeded(random => {
      const shared = native.createMemory(4096)
      later(() => {
        native.releaseMemory(shared.memory)
        native.closeDescriptor(shared.descriptor)
      })
      const open = (): number => fs.readdirSync("/proc/self/fd").length
      const before = open()
      let opened = 0
      for (let call = 0; call < CALLS; call++) {
        const name = random.pick(HARMLESS)
        const given = Array.from({ length: random.int(0, 6) }, () => anything(random, shared))
        // It would be taken from the calls that follow.
        if (name === "releaseMemory" && given[0] === shared.memory) continue
        // Half of the calls are nearly right.
        if (name === "openMemory" && random.chance(0.5))
          given.splice(random.int(0, 1), 2, process.pid, shared.descriptor)
        // And some are: by chance alone a run in some hundreds had none.
        if (name === "openMemory" && random.chance(0.1))
          given.splice(0, given.length, process.pid, shared.descriptor, 4096)
        let result: unknown
        const code = codeOf(() => {
          result = (native[name] as (...given: unknown[]) => unknown)(...given)
        })
        if (code !== "nothing was thrown") assert.match(code, /^E[A-Z]+$/, name)
        else if (name === "openMemory") {
          opened++
          assert.equal((result as ArrayBuffer).byteLength, 4096)
          native.releaseMemory(result as ArrayBuffer)
        } else if (name === "createMemory") {
          const made = result as { memory: ArrayBuffer; descriptor: number }
          native.releaseMemory(made.memory)
          native.closeDescriptor(made.descriptor)
        }
      }
      assert.equal(open(), before)
      assert.ok(opened > 0, "no call was right")
    }))
})
