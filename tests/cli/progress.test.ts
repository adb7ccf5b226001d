import assert from "node:assert/strict"
import { Progress, type ProgressSettings } from "../../cli/progress.ts"

class FakeTerminal {
  readonly isTTY: boolean
  readonly columns: number
  text = ""

  constructor({ isTTY = true, columns = 200 } = {}) {
    this.isTTY = isTTY
    this.columns = columns
  }

  write(text: string): void {
    this.text += text
  }
}

function progress(terminal: FakeTerminal, changes: Partial<ProgressSettings> = {}): Progress {
  return new Progress({ title: "heddle pull", terminal, silent: false, sharesTerminal: false, ...changes })
}

describe("cli progress", () => {
  it("shows messages, rate, bytes, peers and drops on one line", () => {
    const terminal = new FakeTerminal()
    const line = progress(terminal)
    line.peers = () => 2
    line.dropped = () => 3
    const now = performance.now()
    line.draw(now)
    for (let i = 0; i < 1500; i++) line.count([Buffer.alloc(600), Buffer.alloc(400)])
    terminal.text = ""
    line.draw(now + 500)
    assert.equal(terminal.text, "\r\x1b[Kheddle pull  1,500 messages  3,000/s  1.5 MB  2 peers  3 dropped")
  })

  it("says how long nothing has come", () => {
    const terminal = new FakeTerminal()
    const line = progress(terminal)
    const now = performance.now()
    line.count([Buffer.alloc(1)])
    line.draw(now)
    terminal.text = ""
    line.draw(now + 4200)
    assert.match(terminal.text, /1 message {2}0\/s {2}1 B {2}waiting 4\.2 s$/)
  })

  it("is never wider than the terminal", () => {
    const terminal = new FakeTerminal({ columns: 20 })
    progress(terminal).draw(performance.now())
    assert.equal(terminal.text, "\r\x1b[Kheddle pull  0 mess")
  })

  it("makes room for messages on the same terminal, and only then", () => {
    for (const sharesTerminal of [true, false]) {
      const terminal = new FakeTerminal()
      const line = progress(terminal, { sharesTerminal })
      line.makeRoom()
      assert.equal(terminal.text, "", "nothing to erase yet")
      line.draw(performance.now())
      terminal.text = ""
      line.makeRoom()
      line.makeRoom()
      assert.equal(terminal.text, sharesTerminal ? "\r\x1b[K" : "")
    }
  })

  it("sums up at the end", () => {
    const terminal = new FakeTerminal()
    const line = progress(terminal)
    line.start()
    line.count([Buffer.alloc(10)])
    line.stop()
    assert.match(terminal.text, /^heddle pull: 1 message, 10 B in \d+\.\d s \([\d,]+\/s\)\n$/)
  })

  it("is silent with --quiet, and where stderr is no terminal", () => {
    for (const [terminal, silent] of [
      [new FakeTerminal(), true],
      [new FakeTerminal({ isTTY: false }), false],
    ] as const) {
      const line = progress(terminal, { silent })
      line.start()
      line.count([Buffer.alloc(10)])
      line.stop()
      assert.equal(terminal.text, "")
    }
  })
})
