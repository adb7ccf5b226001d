import assert from "node:assert/strict"
import { Outbox } from "../../../core/outbox.ts"
import { isGenerated, type RouterPeer, RoutingTable } from "../../../patterns/reqrep/routing-table.ts"
import { FakePipe, PATTERN_OPTIONS } from "../../support/fake-pipe.ts"

const nothing = { attach() {}, receive() {}, writable() {}, detach() {} }

function peer(id: Buffer): RouterPeer {
  const outbox = new Outbox(() => true, PATTERN_OPTIONS)
  return { pipe: new FakePipe(nothing), id, accepted: true, outbox, routed: false, online: true }
}

describe("RoutingTable", () => {
  it("finds nobody where nobody is", () => {
    const table = new RoutingTable()
    assert.equal(table.find(Buffer.from("a")), undefined)
    assert.equal(table.find(Buffer.alloc(0)), undefined)
  })

  it("finds a peer by its own buffer and by equal bytes, and no longer once deleted", () => {
    const table = new RoutingTable()
    const one = peer(Buffer.from([0xff, 0, 0x80]))
    table.add(one)
    assert.equal(table.find(one.id), one)
    assert.equal(table.find(Buffer.from([0xff, 0, 0x80])), one)
    assert.equal(table.find(Buffer.from([0xff, 0, 0x81])), undefined)
    table.delete(one)
    assert.equal(table.find(one.id), undefined)
    assert.equal(table.find(Buffer.from(one.id)), undefined)
    assert.equal(one.routed, false)
  })

  it("deleting a peer whose id another has taken over leaves the other", () => {
    const table = new RoutingTable()
    const [one, two] = [peer(Buffer.from("id")), peer(Buffer.from("id"))]
    table.add(one)
    table.delete(one)
    table.add(two)
    table.delete(one)
    assert.equal(table.find(Buffer.from("id")), two)
    // The bytes count, also of the buffer that the first one had.
    assert.equal(table.find(one.id), two)
  })

  it("ROUTER-3: makes up ids of 5 octets: 0, then a number that wraps and skips those in use", () => {
    const table = new RoutingTable(0xfffffffe)
    table.add(peer(Buffer.from([0, 0, 0, 0, 0])))
    const ids = [table.generate(), table.generate()]
    assert.deepEqual(
      ids.map(id => id.toString("hex")),
      ["00ffffffff", "0000000001"],
    )
    assert.ok(ids.every(isGenerated))
    assert.equal(isGenerated(Buffer.from("a")), false)
    assert.equal(isGenerated(Buffer.alloc(0)), false)
  })

  it("ROUTER-3: begins anywhere", () => {
    const ids = new Set(Array.from({ length: 20 }, () => new RoutingTable().generate().toString("hex")))
    // Twenty equal numbers of 32 bits do not happen by chance.
    assert.ok(ids.size > 1)
  })
})
