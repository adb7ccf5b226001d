import assert from "node:assert/strict"
import type { JoinOptions } from "../../../../index.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { GroupHub } from "../../../support/group.ts"
import { CarryRig } from "./rig.ts"

describe("The option carry (FAB-CAR-15)", () => {
  closesAfterEach()

  const wrong: Record<string, [carry: unknown, code: string, why: RegExp]> = {
    "no object": ["group://g", "EINVAL", /takes an object of patterns and groups/],
    "a list": [["group://g"], "EINVAL", /takes an object of patterns and groups/],
    null: [null, "EINVAL", /takes an object of patterns and groups/],
    "a pattern that is none": [{ "a..b": "group://g" }, "EINVAL", /a\.\.b/],
    "a reserved pattern": [{ "$heddle.>": "group://g" }, "EINVAL", /reserved/],
    "no group": [{ "a.>": {} }, "EINVAL", /takes the endpoint of a group/],
    "a number": [{ "a.>": 7 }, "EINVAL", /takes the endpoint of a group/],
    "no endpoint": [{ "a.>": "239.7.7.7" }, "EINVAL", /has no scheme/],
    "an unknown scheme": [{ "a.>": "smoke://g" }, "EPROTONOSUPPORT", /smoke:\/\//],
    "a scheme without groups": [
      { "a.>": "tcp://127.0.0.1:7" },
      "EINVAL",
      /tcp:\/\/ leads to no group; write multicast:/,
    ],
    "a group that its transport refuses": [{ "a.>": "group://nowhere" }, "EINVAL", /nowhere is no group/],
    "an unknown name": [{ "a.>": { group: "group://g", speed: 1 } }, "EINVAL", /carry has no option speed/],
    "a threshold of none": [{ "a.>": { group: "group://g", threshold: 0 } }, "EINVAL", /carry\.threshold is 0/],
    "a probe that is too short": [{ "a.>": { group: "group://g", probe: 1 } }, "EINVAL", /carry\.probe is 1/],
    "two probes of one group": [
      { "a.>": "group://g", "b.>": { group: "group://g", probe: 100 } },
      "EINVAL",
      /"b\.>" is the second/,
    ],
    "too many groups": [
      Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`a${i}`, `group://g${i}`])),
      "EINVAL",
      /more than 64 groups/,
    ],
  }

  for (const [name, [carry, code, message]] of Object.entries(wrong)) {
    it(`is refused: ${name}`, async () => {
      const rig = new CarryRig(new GroupHub())
      await assert.rejects(rig.join("p", { carry: carry as JoinOptions["carry"] }), { code, message })
    })
  }

  it("may be empty", async () => {
    const node = await new CarryRig(new GroupHub()).join("p", { carry: {} })
    assert.equal(node.stats().carry, undefined)
  })

  it("leaves out of a group's name what each host says of its own interface", async () => {
    const rig = new CarryRig(new GroupHub())
    const node = await rig.join("p", { carry: { "a.>": "group://g?interface=lo", "b.>": "group://g?interface=lo" } })
    const { group, patterns } = (node.stats().carry ?? [])[0]
    assert.deepEqual([group, patterns], ["group://g", ["a.>", "b.>"]])
  })
})
