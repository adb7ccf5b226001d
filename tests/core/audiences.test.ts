import assert from "node:assert/strict"
import { Audiences } from "../../core/audiences.ts"
import { seeded } from "../support/random.ts"

describe("Audiences", () => {
  it("agree with sets, are one object for one set, and are forgotten when nobody uses them", () =>
    seeded(random => {
      const audiences = new Audiences<{ readonly name: string }>()
      const everybody = ["a", "b", "c", "d", "e"].map(name => ({ name }))
      const users = Array.from({ length: 40 }, () => ({ id: 0, members: new Set<{ readonly name: string }>() }))
      for (let i = 0; i < 5000; i++) {
        const user = random.pick(users)
        if (random.chance(0.6)) {
          const member = random.pick(everybody)
          user.members.add(member)
          user.id = audiences.add(user.id, member)
        } else {
          user.members.delete(random.pick(everybody))
          user.id = audiences.replace(user.id, [...user.members])
        }
        if (user.members.size === 0) assert.equal(user.id, 0)
        else assert.deepEqual(new Set(audiences.get(user.id).members), user.members)
        const names = users.map(({ members }) =>
          [...members]
            .map(({ name }) => name)
            .sort()
            .join(),
        )
        assert.equal(audiences.size, new Set(names.filter(name => name !== "")).size)
        const same = users.findIndex((one, at) => one !== user && names[at] === names[users.indexOf(user)])
        if (same >= 0) assert.equal(users[same].id, user.id)
      }
      for (const { id } of users) audiences.replace(id, [])
      assert.equal(audiences.size, 0)
    }))
})
