import assert from "node:assert/strict"
import { describe, it } from "mocha"
import type { Peer } from "../../bench/peers/peer.ts"
import { Progress } from "../../bench/report/progress.ts"
import { Runner } from "../../bench/runner.ts"
import type { Metric, Scenario, Session } from "../../bench/scenarios/scenario.ts"
import type { Settings } from "../../bench/settings.ts"

const RATE: Metric = { name: "rate", unit: "1/s", better: "higher", plotted: false }

const SETTINGS: Settings = {
  quick: false,
  rounds: 4,
  sizes: null,
  peers: null,
  subscriptions: null,
  connections: null,
  rates: null,
  minutes: null,
  seconds: 1,
}

function peer(family: string, ways: readonly string[] | string = [""], prepare = async () => "1.0"): Peer {
  return {
    family,
    module: null,
    ways: () => ways,
    prepare,
    command: () => ({ file: "", args: [] }),
    stop: async () => {},
  }
}

/** Notes who is measured when; `figure` says what comes out of round `n` of a label. */
function scenario(log: string[], figure: (label: string, round: number) => number): Scenario {
  return {
    name: "tcp-thr",
    about: "",
    sizeUnit: "bytes",
    metrics: [RATE],
    sizes: () => [64],
    rounds: settings => settings.rounds,
    open: async ({ label }): Promise<Session> => {
      let round = 0
      return {
        round: async () => {
          log.push(label)
          return { rate: figure(label, ++round) }
        },
        close: async () => void log.push(`${label} closed`),
      }
    },
  }
}

function fail(message: string): never {
  throw new Error(message)
}

describe("bench/runner", () => {
  it("measures everybody in turn, round after round", async () => {
    const log: string[] = []
    const what = scenario(log, (_, round) => round)
    const runner = new Runner({ ...SETTINGS, rounds: 2 }, new Progress())
    await runner.prepare([peer("heddle", ["a", "b"]), peer("raw")], [what])
    const rows = await runner.run(what)
    const turn = ["heddle (a)", "heddle (b)", "raw"]
    assert.deepEqual(log, [...turn, ...turn, ...turn.map(label => `${label} closed`)])
    assert.deepEqual(
      rows.map(row => [row.peer, row.median]),
      turn.map(label => [label, 1.5]),
    )
    assert.deepEqual(runner.versions, { heddle: "1.0", raw: "1.0" })
  })

  it("names who is not here and who does not take part, with the reason", async () => {
    const what = scenario([], () => 1)
    const runner = new Runner(SETTINGS, new Progress())
    const missing = peer("libzmq", [""], async () => fail("gcc is not installed"))
    await runner.prepare([peer("heddle"), missing, peer("nats", "speaks TCP only")], [what])
    const rows = await runner.run(what)
    assert.deepEqual(runner.absent, [
      { peer: "libzmq", scenario: null, reason: "gcc is not installed" },
      { peer: "nats", scenario: "tcp-thr", reason: "speaks TCP only" },
    ])
    assert.deepEqual(
      rows.map(row => row.peer),
      ["heddle"],
    )
  })

  it("does not even look for a peer that nobody asked for", async () => {
    const what = scenario([], () => 1)
    const runner = new Runner({ ...SETTINGS, peers: ["heddle (a)"] }, new Progress())
    await runner.prepare([peer("heddle", ["a", "b"]), peer("raw", [""], async () => fail("looked for"))], [what])
    const rows = await runner.run(what)
    assert.deepEqual(
      rows.map(row => row.peer),
      ["heddle (a)"],
    )
    assert.deepEqual(runner.absent, [])
  })

  it("says which rounds failed, and lets the others stand", async () => {
    const what = scenario([], (label, round) => (label === "raw" && round === 2 ? fail("hung") : round))
    const runner = new Runner(SETTINGS, new Progress())
    await runner.prepare([peer("heddle"), peer("raw")], [what])
    const rows = await runner.run(what)
    assert.equal(rows[1].median, 3)
    assert.deepEqual(runner.failures, [{ scenario: "tcp-thr", size: 64, peer: "raw", rounds: 1, message: "hung" }])
  })

  it("gives no figure when most rounds failed", async () => {
    const what = scenario([], (_, round) => (round > 1 ? fail("hung") : round))
    const runner = new Runner(SETTINGS, new Progress())
    await runner.prepare([peer("heddle")], [what])
    const [row] = await runner.run(what)
    assert.deepEqual([row.median, row.min, row.max], [null, null, null])
    assert.equal(runner.failures[0].rounds, 3)
  })

  it("goes on when one cannot even begin", async () => {
    const what = scenario([], () => 1)
    const stubborn: Scenario = {
      ...what,
      open: (who, size, settings) =>
        who.label === "raw" ? Promise.reject(new Error("no")) : what.open(who, size, settings),
    }
    const runner = new Runner(SETTINGS, new Progress())
    await runner.prepare([peer("heddle"), peer("raw")], [stubborn])
    const rows = await runner.run(stubborn)
    assert.deepEqual(
      rows.map(row => [row.peer, row.median]),
      [
        ["heddle", 1],
        ["raw", null],
      ],
    )
    assert.deepEqual(
      runner.failures.map(failure => failure.message),
      ["no"],
    )
  })
})
