import assert from "node:assert/strict"
import { Respondent } from "../../../patterns/survey/respondent.ts"
import { Surveyor } from "../../../patterns/survey/surveyor.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { coded, text } from "../../support/pattern.ts"
import { ENDPOINTS, QUICK, testContext } from "../../support/sockets.ts"
import { until } from "../../support/wait.ts"

const context = testContext()
const surveyor = (options: ConstructorParameters<typeof Surveyor>[0] = {}) =>
  using(new Surveyor({ context, ...QUICK, ...options }))

/** A respondent that answers every survey with its name. */
async function citizen(name: string, endpoint: string): Promise<Respondent> {
  const one = using(new Respondent({ context, ...QUICK }))
  one.connect(endpoint)
  void (async () => {
    for await (const [question] of one) await one.send(`${name}: ${question}`)
  })()
  await one.ready()
  return one
}

describe("Surveyor and Respondent", () => {
  closesAfterEach()

  describe("what must not work", () => {
    it("SURVEYOR-9: receive without a survey", async () => {
      await assert.rejects(surveyor().receive(), coded("EFSM"))
    })

    it("SURVEYOR-10: a deadline that is no number of milliseconds", async () => {
      const a = surveyor()
      for (const deadline of [-1, 0.5, 2 ** 31, Number.NaN])
        await assert.rejects(a.survey("who?", { deadline }).next(), coded("EINVAL", /deadline/))
      assert.throws(() => surveyor({ surveyDeadline: -1 }), coded("EINVAL"))
    })

    it("SURVEYOR-10: a survey on a closed socket", async () => {
      const a = surveyor()
      await a.close()
      await assert.rejects(a.survey("who?").next(), coded("EBADF"))
    })

    it("SURVEYOR-10: one survey in the place of another", async () => {
      const a = surveyor()
      const first = a.survey("first", { deadline: 0 }).next()
      const second = a.survey("second", { deadline: 0 })
      const answer = second.next()
      await assert.rejects(first, coded("EFSM", /replaced/))
      await a.close()
      assert.deepEqual(await answer, { value: undefined, done: true })
    })
  })

  for (const endpoint of ENDPOINTS) {
    it(`SURVEYOR-1, RESPONDENT-2: everybody is asked, and answers, over ${endpoint}`, async () => {
      const a = surveyor()
      await a.bind(endpoint)
      for (const name of ["anna", "ben", "cleo"]) await citizen(name, a.lastEndpoint as string)
      await a.ready({ peers: 3 })
      for (const question of ["who?", "where?"]) {
        await a.send(question)
        const answers = []
        for (let i = 0; i < 3; i++) answers.push(text(await a.receive()))
        assert.deepEqual(
          answers.sort(),
          ["anna", "ben", "cleo"].map(name => `${name}: ${question}`),
        )
      }
    })
  }

  it("SURVEYOR-10: survey() ends at the deadline with all answers", async () => {
    const a = surveyor({ surveyDeadline: 50 })
    await a.bind("ipc://*")
    for (const name of ["anna", "ben"]) await citizen(name, a.lastEndpoint as string)
    await a.ready({ peers: 2 })
    const answers = []
    for await (const answer of a.survey("who?")) answers.push(text(answer))
    assert.deepEqual(answers.sort(), ["anna: who?", "ben: who?"])
    await assert.rejects(a.receive(), coded("EFSM"))
  })

  it("SURVEYOR-10: survey() ends with max answers, and when the loop is left; the rest is stale", async () => {
    const a = surveyor()
    await a.bind("ipc://*")
    for (const name of ["anna", "ben", "cleo"]) await citizen(name, a.lastEndpoint as string)
    await a.ready({ peers: 3 })
    let answers = 0
    for await (const _ of a.survey("who?", { max: 1, deadline: 0 })) answers++
    assert.equal(answers, 1)
    for await (const _ of a.survey("who?", { deadline: 0 })) break
    await until(() => a.stats().dropped.stale === 4)
  })

  it("SURVEYOR-10: survey() without anybody ends at its deadline", async () => {
    const a = surveyor()
    for await (const answer of a.survey("who?", { deadline: 5 })) assert.fail(text(answer))
  })

  it("SURVEYOR-1: a survey goes out although the socket is closed right after it", async () => {
    const a = surveyor()
    await a.bind("ipc://*")
    const listeners = [0, 1].map(() => using(new Respondent({ context, ...QUICK })))
    for (const one of listeners) one.connect(a.lastEndpoint as string)
    await a.ready({ peers: 2 })
    void a.send("last words")
    void a.close()
    for (const one of listeners) assert.equal(text(await one.receive()), "last words")
  })
})
