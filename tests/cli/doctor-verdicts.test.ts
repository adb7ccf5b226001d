import assert from "node:assert/strict"
import { type AddonFacts, judgeAddon } from "../../cli/doctor/addon.ts"
import { judgeBuffers, WANTED } from "../../cli/doctor/buffers.ts"
import { check } from "../../cli/doctor/check.ts"
import { type Finding, ok, warn, worst } from "../../cli/doctor/finding.ts"
import { type FolderFacts, judgeFolder } from "../../cli/doctor/folder.ts"
import { judgeLimits, type LimitFacts } from "../../cli/doctor/limits.ts"
import { judgeLoopback } from "../../cli/doctor/loopback.ts"
import { judgeMachine, type MachineFacts } from "../../cli/doctor/machine.ts"
import { type InterfaceFacts, judgeMulticast } from "../../cli/doctor/multicast.ts"
import type { ProbeFacts } from "../../cli/doctor/multicast-probe.ts"
import { judgePackages } from "../../cli/doctor/packages.ts"
import { judgeSharedMemory } from "../../cli/doctor/shared-memory.ts"
import { sheet } from "../../cli/doctor/sheet.ts"
import { judgeVersions, type VersionFacts } from "../../cli/doctor/versions.ts"

/** "ok name: value" of each. */
const brief = (findings: readonly Finding[]): string[] =>
  findings.map(({ level, name, value }) => `${level} ${name}: ${value}`)

const advice = (findings: readonly Finding[]): string => findings.flatMap(one => one.advice ?? []).join("\n")

describe("heddle doctor: verdicts", () => {
  it("versions: an old Node fails, others warn", () => {
    const facts: VersionFacts = {
      heddle: "1.2.3",
      runtime: "Node",
      version: "20.19.0",
      wanted: ">=20.19.0",
      platform: "linux",
      arch: "x64",
    }
    const level = (changes: Partial<VersionFacts>): string => worst(judgeVersions({ ...facts, ...changes }))
    assert.deepEqual(brief(judgeVersions(facts)), [
      "ok heddle: 1.2.3",
      "ok runtime: Node 20.19.0",
      "ok system: linux x64",
    ])
    assert.equal(level({ version: "22.1.0" }), "ok")
    assert.equal(level({ version: "20.20.0-nightly" }), "ok")
    for (const version of ["20.18.9", "18.20.0", "20.9.0"]) assert.equal(level({ version }), "fail", version)
    assert.equal(level({ runtime: "Bun", version: "1.4.0" }), "warn")
    assert.equal(level({ platform: "win32" }), "warn")
  })

  it("addon: why it is not there, and how to build it", () => {
    const facts: AddonFacts = {
      loaded: false,
      platform: "linux",
      arch: "x64",
      switchedOff: false,
      files: [],
      builder: "/h/build.mjs",
    }
    const verdict = (changes: Partial<AddonFacts>): Finding => judgeAddon({ ...facts, ...changes })[0]
    assert.equal(verdict({ loaded: true }).level, "ok")
    assert.match(verdict({ switchedOff: true }).value, /HEDDLE_NATIVE=off/)
    assert.match(verdict({ platform: "darwin" }).value, /darwin/)
    assert.match(verdict({}).value, /no binary for linux-x64/)
    assert.match(verdict({ files: [{ file: "a.node", failure: "wrong ELF class" }] }).value, /wrong ELF class/)
    assert.match(verdict({ files: [{ file: "a.node", failure: null }] }).value, /another version/)
    assert.equal(verdict({}).advice?.at(-1), "$ node /h/build.mjs")
  })

  it("machine: halted containers, little memory, slow and coarse clocks", () => {
    const facts: MachineFacts = {
      cpus: 4,
      cpuLimit: null,
      memory: 16e9,
      memoryLimit: null,
      clockStep: 0.0001,
      clockSource: "tsc",
    }
    const found = (changes: Partial<MachineFacts>): string => brief(judgeMachine({ ...facts, ...changes })).join("; ")
    assert.equal(found({}), "ok processors: 4; ok memory: 16.0 GB; ok clock: tsc, steps of 0.10 us")
    assert.match(found({ cpuLimit: 0.5 }), /warn processors: 4, limited to 0\.5;/)
    assert.match(found({ cpuLimit: 2 }), /ok processors: 4, limited to 2;/)
    assert.match(found({ memoryLimit: 100e6 }), /warn memory: 100 MB \(limit of the container\)/)
    assert.match(found({ clockSource: "hpet" }), /warn clock: hpet/)
    assert.match(found({ clockSource: null, clockStep: 2 }), /warn clock: steps of 2000 us/)
  })

  it("limits: few descriptors warn, hardly any fail", () => {
    const facts: LimitFacts = { openFiles: 65_536, watchInstances: 128, watchFailure: null }
    const levels = (changes: Partial<LimitFacts>): string =>
      judgeLimits({ ...facts, ...changes })
        .map(({ level }) => level)
        .join()
    assert.equal(levels({}), "ok,ok")
    assert.equal(levels({ openFiles: Number.POSITIVE_INFINITY }), "ok,ok")
    assert.equal(levels({ openFiles: 1_024 }), "warn,ok")
    assert.equal(levels({ openFiles: 64 }), "fail,ok")
    assert.equal(levels({ openFiles: null, watchInstances: null }), "ok")
    assert.equal(levels({ watchInstances: 10 }), "ok,warn")
    assert.equal(levels({ watchFailure: "EMFILE" }), "ok,warn")
    assert.match(advice(judgeLimits({ ...facts, openFiles: 1_024 })), /^\$ ulimit -n 65536/m)
  })

  it("shared memory: what hides it", () => {
    const facts = { platform: "linux", free: 64e6, visible: true, memfd: 0 }
    const level = (changes: Partial<typeof facts>): string => worst(judgeSharedMemory({ ...facts, ...changes }))
    assert.equal(level({}), "ok")
    assert.equal(level({ memfd: 2 }), "warn")
    assert.equal(level({ visible: false }), "warn")
    assert.equal(level({ platform: "darwin", visible: false }), "ok")
  })

  it("folder: unsafe and slow ones fail, a long path, little space and old sockets warn", () => {
    const facts: FolderFacts = { folder: "/run/h", failure: null, took: 12, free: 1e9, longest: 70, stale: [] }
    const found = (changes: Partial<FolderFacts>): string => brief(judgeFolder({ ...facts, ...changes })).join("; ")
    assert.equal(found({}), "ok discovery folder: /run/h: two nodes found one another in 12 ms")
    assert.match(found({ failure: { code: "EACCES", text: "not safe" } }), /^fail discovery folder: not safe$/)
    assert.match(found({ failure: { code: "ETIMEDOUT", text: "" } }), /^fail .*\/run\/h: two nodes did not find/)
    assert.match(found({ failure: { code: "ENOTSUP", text: "" } }), /^warn /)
    assert.match(found({ longest: 120 }), /; warn path length: 120 bytes/)
    assert.match(found({ free: 1_000 }), /; warn space: 1.0 kB free/)
    assert.match(found({ stale: ["/run/h/a/b.sock"] }), /; warn left behind: 1 socket of/)
  })

  it("loopback: without IPv6 it warns, without tcp or ipc it fails", () => {
    const trip = { trip: 0.05, failure: null }
    const none = { trip: null, failure: "ETIMEDOUT" }
    const judged = (tcp: object, tcp6: object, ipc: object): string =>
      judgeLoopback({
        trips: [
          { transport: "tcp", ...trip, ...tcp },
          { transport: "tcp, IPv6", ...trip, ...tcp6 },
          { transport: "ipc", ...trip, ...ipc },
        ],
        sharedMemory: true,
      })
        .map(({ level }) => level)
        .join()
    assert.equal(judged({}, {}, {}), "ok,ok,ok")
    assert.equal(judged(none, none, none), "fail,warn,fail")
    const [, finding] = judgeLoopback({
      trips: [
        { transport: "tcp", ...trip },
        { transport: "ipc", ...trip },
      ],
      sharedMemory: true,
    })
    assert.equal(finding.value, "50 us a round trip, through shared memory")
  })

  it("buffers: small ones warn unless this process may have larger ones", () => {
    const facts = { receiveLimit: 212_992, sendLimit: 212_992, received: 212_992, privileged: false }
    assert.equal(worst(judgeBuffers(facts)), "warn")
    assert.match(advice(judgeBuffers(facts)), /^\$ sysctl -w net\.core\.rmem_max=8388608$/m)
    assert.equal(worst(judgeBuffers({ ...facts, privileged: true })), "ok")
    assert.equal(worst(judgeBuffers({ ...facts, received: WANTED })), "ok")
    assert.equal(worst(judgeBuffers({ ...facts, received: WANTED, sendLimit: 4_096 })), "warn")
  })

  it("packages: those that are not there are no fault, those that do not load are", () => {
    const ws = { name: "ws", wanted: "^8.18.0", version: "8.20.0", failure: null }
    const facts = [ws, { ...ws, version: null }, { ...ws, failure: "no such binary" }]
    assert.deepEqual(brief(judgePackages(facts)), [
      "ok ws: 8.20.0",
      "ok ws: not installed (WebSocket)",
      "warn ws: 8.20.0 does not load: no such binary",
    ])
    assert.match(advice(judgePackages(facts)), /^\$ npm install 'ws@\^8\.18\.0'$/m)
  })

  describe("multicast", () => {
    const came: ProbeFacts = {
      family: 4,
      group: "239.255.1.1",
      sent: 2,
      received: 2,
      largest: 1_472,
      largestCame: true,
      failure: null,
    }
    const lost: ProbeFacts = { ...came, sent: 3, received: 0, largestCame: false }
    const eth: InterfaceFacts = {
      name: "eth0",
      loopback: false,
      multicastFlag: true,
      mtu: 1_500,
      address: "10.0.0.1",
      ipv6: false,
      probes: [came],
      transport: null,
    }
    const lo: InterfaceFacts = { ...eth, name: "lo", loopback: true, multicastFlag: false, mtu: 65_536 }

    it("works: only two hosts can see the rest, and how is said", () => {
      const findings = judgeMulticast([lo, eth])
      assert.deepEqual(brief(findings), [
        "ok lo: IPv4, MTU 65,536",
        "ok eth0: IPv4, MTU 1,500",
        "ok between hosts: takes two to see",
      ])
      assert.match(advice(findings), /heddle sub --bind 'multicast:\/\/\S+interface=eth0'/)
    })

    it("by loopback alone it warns, by nothing it fails", () => {
      assert.deepEqual(brief(judgeMulticast([lo])).at(-1), "warn multicast: works on this machine only")
      assert.equal(worst(judgeMulticast([{ ...eth, probes: [lost] }])), "fail")
      assert.equal(worst(judgeMulticast([])), "fail")
    })

    it("says for each interface what is wrong and the command against it", () => {
      const said = (changes: Partial<InterfaceFacts>): string => {
        const [, finding] = judgeMulticast([lo, { ...eth, ...changes }])
        assert.equal(finding.level, "warn")
        return `${finding.value}\n${advice([finding])}`
      }
      assert.match(said({ probes: [lost], multicastFlag: false }), /\$ ip link set eth0 multicast on/)
      assert.match(said({ probes: [{ ...lost, failure: "ENETUNREACH" }] }), /\$ ip route add 224\.0\.0\.0\/4 dev eth0/)
      assert.match(said({ probes: [{ ...lost, family: 6, failure: "ENETUNREACH" }] }), /\$ ip -6 route add ff00::\/8/)
      assert.match(said({ probes: [{ ...lost, failure: "EPERM" }], multicastFlag: false }), /refuses \(EPERM\)/)
      assert.match(
        said({ probes: [lost] }),
        /3 datagrams went to 239\.255\.1\.1 and none came back.*\n\$ iptables -I INPUT/,
      )
      assert.match(said({ probes: [{ ...came, largestCame: false }] }), /1472 bytes do not come back.*\nnew Publisher/)
      assert.match(said({ transport: "ETIMEDOUT" }), /multicast:\/\/ fails: ETIMEDOUT/)
      assert.match(
        said({ probes: [came, { ...lost, family: 6 }] }),
        /IPv4, MTU 1,500; not IPv6\n.*ip6tables|ip6tables/s,
      )
      assert.match(said({ probes: [] }), /no address/)
    })

    it("loopback without IPv6 groups is as systems come", () => {
      assert.equal(judgeMulticast([{ ...lo, probes: [came, { ...lost, family: 6 }] }, eth])[0].level, "ok")
    })
  })
})

describe("heddle doctor: checks and their sheet", () => {
  it("what throws or hangs is a finding, not an end", async () => {
    const broken = check<null>({
      name: "broken",
      about: "",
      read: () => {
        throw new Error("no such thing")
      },
      judge: () => [],
    })
    assert.deepEqual(brief(await broken.run()), ["fail broken: cannot be looked at: no such thing"])
    const hangs = check<null>({ name: "hangs", about: "", read: () => new Promise(() => {}), judge: () => [] }, 10)
    assert.deepEqual(brief(await hangs.run()), ["fail hangs: gave no answer for 0.01 s"])
  })

  it("lists, advises and sums up; names cannot steer the terminal", () => {
    const rows = [
      { check: "a", ...ok("first", "1") },
      { check: "b", ...warn("second", "2\x1b[2J", "Do it:", "$ it") },
    ]
    assert.deepEqual(sheet(rows, false), [
      "      CHECK  WHAT    FOUND",
      "ok    a      first   1",
      "warn  b      second  2\u{fffd}[2J",
      "",
      "What to do:",
      "warn  second",
      "      Do it:",
      "      $ it",
      "",
      "1 well, 1 warning, 0 failures.",
    ])
    const [, first, second] = sheet(rows, true)
    assert.ok(first.startsWith("\x1b[32mok\x1b[39m "))
    assert.ok(second.startsWith("\x1b[33mwarn\x1b[39m "))
    assert.equal(sheet(rows.slice(0, 1), false).at(-1), "All 1 are well.")
  })
})
