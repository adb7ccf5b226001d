import assert from "node:assert/strict"
import { closesAfterEach } from "../support/cleanup.ts"
import { lastingIpc } from "../support/sockets.ts"
import { heddle, type Running } from "./heddle.ts"

async function proxy(type: string, ...more: string[]): Promise<{ front: string; back: string; running: Running }> {
  const [front, back] = [lastingIpc(), lastingIpc()]
  const running = heddle("proxy", "--type", type, "--front", front, "--back", back, ...more, "--verbose")
  await running.prints(`bind ${back}`)
  return { front, back, running }
}

async function endsInOrder(running: Running): Promise<void> {
  running.signal("SIGINT")
  await running.ends(0)
}

describe("heddle proxy", () => {
  closesAfterEach()

  it("streamer: from pushers to pullers", async () => {
    const { front, back, running } = await proxy("streamer")
    await heddle("push", "--connect", front, "a", "b", "c").ends(0)
    const pull = await heddle("pull", "--connect", back, "--count", "3").ends(0)
    assert.equal(pull.text, "a\nb\nc\n")
    await endsInOrder(running)
  })

  it("forwarder: subscriptions go back, messages go forth, and --capture sees them", async () => {
    const spy = lastingIpc()
    const { front, back, running } = await proxy("forwarder", "--capture", spy)
    const sub = heddle("sub", "--connect", back, "--topic", "a", "--count", "2")
    const onlooker = heddle("sub", "--connect", spy, "--verbose")
    await onlooker.prints("handshake")
    // The subscription must have come through the proxy: pub waits for it.
    const pub = heddle("pub", "--connect", front, "--delimiter", "\\t").feed("a\t1\nb\t2\na\t3\n")
    await pub.ends(0)
    await sub.ends(0)
    assert.equal(sub.text, "a\t1\na\t3\n")
    await onlooker.prints("a\t3\n")
    await endsInOrder(running)
  })

  it("queue: requests and replies find their way", async () => {
    const { front, back, running } = await proxy("queue")
    const rep = heddle("rep", "--connect", back, "--exec", "rev", "--count", "3")
    const req = await heddle("req", "--connect", front).feed("abc\ndef\n").ends(0)
    assert.equal(req.text, "cba\nfed\n")
    const other = await heddle("req", "--connect", front, "xyz").ends(0)
    assert.equal(other.text, "zyx\n")
    await rep.ends(0)
    await endsInOrder(running)
  })
})
