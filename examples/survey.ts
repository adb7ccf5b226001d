/** One question to everybody who is there, and as many answers as come before the deadline. Run: node dist/examples/survey.js */
import { Respondent, Surveyor } from "heddle"

const surveyor = new Surveyor()
await surveyor.bind("inproc://roll-call")

const respondents = ["Ada", "Grace", "Edsger"].map(name => {
  const respondent = new Respondent()
  respondent.connect("inproc://roll-call")
  respondent.consume(([question]) => void respondent.send(`${name} heard "${question}"`))
  return respondent
})

await surveyor.ready({ peers: 3 })
for await (const [answer] of surveyor.survey("who is there?", { deadline: 1_000, max: 3 }))
  console.log(answer.toString())

await Promise.all([surveyor.close(), ...respondents.map(one => one.close())])
