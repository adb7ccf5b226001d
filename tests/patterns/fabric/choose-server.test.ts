import assert from "node:assert/strict"
import { Interest, SERVE } from "../../../patterns/fabric/interest.ts"
import type { Link } from "../../../patterns/fabric/link/link.ts"
import { chooseServer } from "../../../patterns/fabric/requests/search.ts"

interface State {
  up?: boolean
  dead?: boolean
  lapsed?: boolean
}

function server(state: State | null): Interest {
  const policy = { policy: "drop-new", limit: 1, keep: 1, ttl: 0 } as const
  const spec = { id: 1, kind: SERVE, pattern: "x", group: "", targeted: true, policy, history: 0, capacity: 1 } as const
  const link = { distance: 0, up: true, dead: false, lapsed: false, leaving: false, outgoing: { hasRoom: () => true } }
  return new Interest(spec, state === null ? null : ({ ...link, ...state } as unknown as Link), null)
}

describe("chooseServer", () => {
  it("FAB-REQ-1 asks nobody when there is nobody, or nobody who lives", () => {
    assert.equal(chooseServer([]), null)
    assert.equal(chooseServer([server({ up: false, dead: true })]), null)
    assert.equal(chooseServer([server({ up: false, lapsed: true }), server({ up: false, dead: true })]), null)
  })

  it("asks one that is only away for a moment, when there is no other", () => {
    const away = server({ up: false })
    assert.equal(chooseServer([away]), away)
  })

  it("passes over the dead, also those that look best", () => {
    const busy = server({})
    busy.outstanding = 1_000_000_000
    const dead = server({ dead: true })
    const lapsed = server({ lapsed: true })
    for (let i = 0; i < 10; i++) assert.equal(chooseServer([dead, busy, lapsed]), busy)
    const here = server(null)
    for (let i = 0; i < 10; i++) assert.equal(chooseServer([dead, here]), here)
  })
})
