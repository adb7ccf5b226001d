import assert from "node:assert/strict"
import { SurveyorPattern } from "../../../patterns/survey/surveyor.ts"
import { FakePipe, type FakePipeOptions } from "../../support/fake-pipe.ts"
import { all, coded, settings, standing, text } from "../../support/pattern.ts"

type Changes = Partial<{ surveyDeadline: number; receiveTimeout: number; receiveHighWaterMark: number }>

function make(changes: Changes = {}, lastId = 0) {
  const options = settings({ surveyDeadline: 0, ...changes })
  const pattern = new SurveyorPattern(options, lastId)
  const peer = (more: FakePipeOptions = {}) => new FakePipe(pattern, { socketType: "RESPONDENT", ...more })
  const dialled = () => new FakePipe(pattern, { socketType: "RESPONDENT" }, false)
  return { options, pattern, peer, dialled, inbox: pattern.inbox, outbox: pattern.outbox }
}

/** The header of the nth survey, when they count from 0. */
function id(n: number): Buffer {
  return Buffer.from([0x80, 0, 0, n])
}

/** Waits until the deadline of the current survey has passed. */
async function deadline({ inbox }: { inbox: SurveyorPattern["inbox"] }): Promise<void> {
  await assert.rejects(inbox.receive(), coded("ETIMEDOUT"))
}

describe("SurveyorPattern", () => {
  describe("what must not work", () => {
    it("SURVEYOR-9: receive without a survey", async () => {
      const { inbox } = make()
      await assert.rejects(inbox.receive(), coded("EFSM", /no survey/))
      assert.throws(() => inbox.tryReceive(), coded("EFSM"))
    })

    it("SURVEYOR-6: receive after the deadline, and for those who wait then", async () => {
      const { inbox, outbox } = make({ surveyDeadline: 1 })
      await outbox.send("who?")
      const waiting = [inbox.receive(), inbox.receive()]
      for (const one of waiting) await assert.rejects(one, coded("ETIMEDOUT", /deadline \(1 ms\)/))
      assert.throws(() => inbox.tryReceive(), coded("ETIMEDOUT"))
      await assert.rejects(inbox.receive(), coded("ETIMEDOUT"))
    })

    it("SURVEYOR-7: late answers, and answers to other surveys, are dropped as stale", async () => {
      const survey = make({ surveyDeadline: 1 })
      const pipe = survey.peer()
      pipe.says(id(1), "to nothing")
      await survey.outbox.send("who?")
      pipe.says(id(2), "to another")
      pipe.says(id(1), "in time")
      assert.equal(text(await survey.inbox.receive()), "in time")
      await deadline(survey)
      pipe.says(id(1), "too late")
      assert.deepEqual(pipe.dropped, { stale: 3 })
      assert.equal(survey.inbox.size, 0)
    })

    it("SURVEYOR-5: those who wait when the next survey replaces theirs get EFSM, and unread answers are stale", async () => {
      const { peer, inbox, outbox } = make()
      const pipe = peer()
      await outbox.send("first")
      const waiting = inbox.receive()
      await outbox.send("second")
      await assert.rejects(waiting, coded("EFSM", /replaced/))
      pipe.says(id(2), "unread")
      await outbox.send("third")
      pipe.says(id(2), "late")
      assert.equal(inbox.tryReceive(), null)
      assert.deepEqual(pipe.dropped, { stale: 2 })
    })

    it("SURVEYOR-8: what is no answer is dropped as malformed", async () => {
      const { peer, inbox, outbox } = make()
      const pipe = peer()
      await outbox.send("who?")
      pipe.says(id(1))
      pipe.says("a")
      pipe.says("abc", "body")
      pipe.says(Buffer.from([0, 0, 0, 1]), id(1), "body")
      pipe.says("", "body")
      assert.equal(inbox.tryReceive(), null)
      assert.deepEqual(pipe.dropped, { malformed: 5 })
    })

    it("SURVEYOR-1: who has no room is left out, and who is not connected", async () => {
      const { peer, dialled, outbox } = make()
      const [full, free, away] = [peer({ room: 0 }), peer(), dialled()]
      await outbox.send("who?")
      assert.deepEqual(
        [full, free, away].map(pipe => pipe.sent.length),
        [0, 1, 0],
      )
      assert.deepEqual(
        [full, free, away].map(pipe => pipe.dropped),
        [{ full: 1 }, {}, { "no-peer": 1 }],
      )
    })

    it("SURVEYOR-4: a respondent with the high-water mark unread is not read; the next survey frees it", async () => {
      const { peer, outbox } = make({ receiveHighWaterMark: 2 })
      const pipe = peer()
      await outbox.send("who?")
      for (const answer of ["a", "b"]) pipe.says(id(1), answer)
      assert.equal(pipe.paused, true)
      await outbox.send("again?")
      assert.equal(pipe.paused, false)
    })
  })

  it("SURVEYOR-1, SURVEYOR-2: a survey goes to all that are connected, with a number that counts", async () => {
    const { peer, dialled, outbox } = make({}, 2 ** 31 - 2)
    const [a, b, c] = [peer(), peer(), dialled()]
    c.goesOnline()
    await outbox.send("1")
    await outbox.send(["2", "more"])
    c.goesOffline()
    a.leaves()
    await outbox.send("3")
    const sent = (pipe: FakePipe) =>
      pipe.sent.map(([header, ...body]) => `${header.readUInt32BE(0).toString(16)}|${text(body)}`)
    assert.deepEqual(sent(a), ["ffffffff|1", "80000000|2|more"])
    assert.deepEqual(sent(b), ["ffffffff|1", "80000000|2|more", "80000001|3"])
    assert.deepEqual(sent(c), ["ffffffff|1", "80000000|2|more"])
  })

  it("SURVEYOR-2: numbers begin at a random place", async () => {
    const starts = new Set<string>()
    for (let i = 0; i < 5; i++) {
      const pattern = new SurveyorPattern(settings({ surveyDeadline: 0 }))
      const pipe = new FakePipe(pattern)
      await pattern.outbox.send("who?")
      const [header] = pipe.sent[0]
      assert.ok(header.length === 4 && header[0] >= 0x80)
      starts.add(header.toString("hex"))
    }
    assert.ok(starts.size > 1)
  })

  it("SURVEYOR-3: send never waits, also with nobody there", async () => {
    const { pattern, peer, outbox } = make()
    assert.equal(pattern.canSend, true)
    assert.equal(outbox.trySend("a"), true)
    peer({ room: 0 })
    assert.equal(outbox.trySend("b"), true)
    await outbox.send("c")
  })

  it("SURVEYOR-4: bodies of the answers, of the respondents in turn, also of those that have left", async () => {
    const { peer, inbox, outbox } = make()
    const [a, b] = [peer(), peer()]
    await outbox.send("who?")
    a.says(id(1), "a1", "more")
    a.says(id(1), "a2")
    b.says(id(1), "b1")
    b.leaves()
    assert.deepEqual(all(inbox), ["a1|more", "b1", "a2"])
  })

  it("SURVEYOR-6: answers that came in time can be read after the deadline", async () => {
    const survey = make({ surveyDeadline: 1 })
    const pipe = survey.peer()
    await survey.outbox.send("who?")
    const over = new Promise(resolve => setTimeout(resolve, 5))
    pipe.says(id(1), "in time")
    await over
    pipe.says(id(1), "too late")
    assert.equal(text(await survey.inbox.receive()), "in time")
    await deadline(survey)
  })

  it("SURVEYOR-6: with deadline 0 a survey goes on until the next", async () => {
    const { peer, inbox, outbox } = make({ surveyDeadline: 0 })
    const pipe = peer()
    await outbox.send("who?")
    const waiting = inbox.receive()
    assert.equal(await standing(waiting), "waits")
    pipe.says(id(1), "me")
    assert.equal(text(await waiting), "me")
  })

  it("SURVEYOR-6: the next survey has a deadline of its own", async () => {
    const survey = make({ surveyDeadline: 1 })
    const pipe = survey.peer()
    await survey.outbox.send("first")
    survey.options.surveyDeadline = 0
    await survey.outbox.send("second")
    await new Promise(resolve => setTimeout(resolve, 5))
    pipe.says(id(2), "me")
    assert.equal(text(await survey.inbox.receive()), "me")
  })
})
