import assert from "node:assert/strict"
import { commonMinor, faultOf, greeting, mechanismOf } from "../../../transports/zmtp/greeting.ts"
import { GREETING, octets } from "../../support/bytes.ts"

describe("ZMTP greeting", () => {
  it("has the 64 octets of zmtp.md 1.2", () => {
    assert.equal(greeting("NULL").toString("hex"), GREETING.toString("hex"))
    assert.equal(greeting("NULL").length, 64)
  })

  it("pads a longer mechanism name with zeros", () => {
    const expected = octets("ff 00*7 01 7f 03 01 'CURVE' 00*15 00*32")
    assert.equal(greeting("CURVE").toString("hex"), expected.toString("hex"))
  })

  it("finds no fault in any beginning of a 3.x greeting", () => {
    for (let length = 0; length <= 64; length++) assert.equal(faultOf(GREETING.subarray(0, length)), null)
  })

  it("accepts any padding, as-server and filler", () => {
    const odd = octets("ff aa*8 7f 03 01 'NULL' 00*16 01 cc*31")
    assert.equal(faultOf(odd), null)
    assert.equal(mechanismOf(odd), "NULL")
  })

  it("takes only the lowest bit of octet 9 for the version sign", () => {
    assert.equal(faultOf(octets("ff 00*8 01 03")), null)
    assert.equal(faultOf(octets("ff 00*8 7e 03"))?.code, "ERR_ZMTP_GREETING")
  })

  it("tells another protocol by its first octet", () => {
    const fault = faultOf(Buffer.from("G"))
    assert.equal(fault?.code, "ERR_ZMTP_GREETING")
    assert.match(fault.message, /another protocol/)
    assert.equal(fault.fatal, false, "such a peer may be replaced by a right one: it is dialled again")
  })

  it("refuses ZMTP 1.0 and 2.0 peers by name", () => {
    // An unversioned peer: the header of a long identity frame.
    assert.match(faultOf(octets("ff 00*7 05 00"))?.message ?? "", /ZMTP 1\.0/)
    for (const revision of ["00", "01", "02"]) {
      assert.match(faultOf(octets(`ff 00*7 01 7f ${revision}`))?.message ?? "", /ZMTP 2\.0 or older/)
    }
  })

  it("speaks 3.0 with a 3.0 peer and 3.1 with everything newer", () => {
    assert.equal(commonMinor(octets("ff 00*8 7f 03 00")), 0)
    for (const version of ["03 01", "03 07", "04 00", "ff 00"]) {
      assert.equal(commonMinor(octets(`ff 00*8 7f ${version}`)), 1, version)
    }
  })

  it("reads mechanism names up to all of their 20 octets", () => {
    assert.equal(mechanismOf(octets("ff 00*8 7f 03 01 'A'*20 00*32")), "A".repeat(20))
    assert.equal(mechanismOf(octets("ff 00*8 7f 03 01 00*52")), "")
  })
})
