import assert from "node:assert/strict"
import type { Message } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import { type ControlSocket, obey } from "../../../patterns/proxy/control.ts"

const PAIR = 0
const REP = 4
const SIDES = {
  front: { messagesIn: 1, bytesIn: 2, messagesOut: 3, bytesOut: 2 ** 40 },
  back: { messagesIn: 5, bytesIn: 6, messagesOut: 7, bytesOut: 8 },
}

/** A control socket of this type; returns what was done and answered after each command. */
function steered(type: number, trySend?: (message: Message) => boolean) {
  const done: string[] = []
  const answers: Message[] = []
  let command: (message: Message) => void = () => assert.fail("nobody listens")
  const socket: ControlSocket = {
    type,
    consume: handler => {
      command = handler
      return { stop: () => void done.push("stopped") }
    },
    trySend:
      trySend ??
      (message => {
        answers.push(message)
        return true
      }),
  }
  const steering = obey(socket, {
    pause: () => void done.push("pause"),
    resume: () => void done.push("resume"),
    terminate: () => void done.push("terminate"),
    statistics: () => SIDES,
  })
  return {
    done,
    answers,
    steering,
    say: (...frames: string[]) => command(frames.map(frame => Buffer.from(frame))),
  }
}

describe("the control socket of a proxy", () => {
  describe("what must not work", () => {
    for (const [what, frames] of [
      ["an unknown command", ["EXPLODE"]],
      ["a command in small letters", ["terminate"]],
      ["a command with more behind it", ["TERMINATE "]],
      ["a command of several frames", ["TERMINATE", ""]],
      ["nothing", [""]],
    ] as const) {
      it(`PROXY-9: ${what} does nothing, and a Reply answers it nevertheless`, () => {
        const pair = steered(PAIR)
        pair.say(...frames)
        assert.deepEqual([pair.done, pair.answers], [[], []])
        const reply = steered(REP)
        reply.say(...frames)
        assert.deepEqual([reply.done, reply.answers], [[], [[Buffer.alloc(0)]]])
      })
    }

    it("PROXY-9: a controller that has gone, or reads no answers, does no harm", () => {
      const full = steered(PAIR, () => false)
      full.say("STATISTICS")
      const gone = steered(REP, () => {
        throw new HeddleError("EFSM", "nobody asked")
      })
      for (const command of ["STATISTICS", "PAUSE"]) gone.say(command)
      assert.deepEqual(gone.done, ["pause"])
    })
  })

  it("PROXY-9: PAUSE, RESUME and TERMINATE", () => {
    const { say, done, answers } = steered(PAIR)
    for (const command of ["PAUSE", "RESUME", "TERMINATE"]) say(command)
    assert.deepEqual(done, ["pause", "resume", "terminate"])
    assert.deepEqual(answers, [])
  })

  it("PROXY-9: a Reply answers each command by an empty message", () => {
    const { say, answers } = steered(REP)
    for (const command of ["PAUSE", "RESUME", "TERMINATE"]) say(command)
    assert.deepEqual(answers, [[Buffer.alloc(0)], [Buffer.alloc(0)], [Buffer.alloc(0)]])
  })

  for (const [name, type] of [
    ["Pair", PAIR],
    ["Reply", REP],
  ] as const) {
    it(`PROXY-9: STATISTICS is answered by eight numbers, also by a ${name}, once`, () => {
      const { say, answers, done } = steered(type)
      say("STATISTICS")
      assert.equal(answers.length, 1)
      assert.deepEqual(
        answers[0].map(frame => Number(frame.readBigUInt64LE())),
        [1, 2, 3, 2 ** 40, 5, 6, 7, 8],
      )
      assert.ok(answers[0].every(frame => frame.length === 8))
      assert.deepEqual(done, [])
    })
  }

  it("PROXY-9: a control socket that cannot send is obeyed, too", () => {
    const done: string[] = []
    let command: (message: Message) => void = () => {}
    const socket: ControlSocket = {
      type: 7,
      consume: handler => {
        command = handler
        return { stop: () => {} }
      },
    }
    obey(socket, {
      pause: () => void done.push("pause"),
      resume: () => {},
      terminate: () => {},
      statistics: () => SIDES,
    })
    for (const text of ["STATISTICS", "PAUSE"]) command([Buffer.from(text)])
    assert.deepEqual(done, ["pause"])
  })
})
