import assert from "node:assert/strict"
import path from "node:path"
import { fileURLToPath } from "node:url"
import type { Browser, Page } from "playwright-core"
import { chromiumOrSkip } from "../support/chromium.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { Program } from "../support/processes.ts"

/** A folder for pictures of the pages, for people; without it none are taken. */
const PICTURES = process.env.HEDDLE_PICTURES

async function picture(tab: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) await tab.screenshot({ path: path.join(PICTURES, `${name}.png`) })
}

/** Starts an example as a person would, on any free port. */
async function example(name: string): Promise<string> {
  const main = fileURLToPath(new URL(`../../examples/${name}/main.js`, import.meta.url))
  const program = Program.run(process.execPath, [main, "0"])
  const [address] = await program.says(/http:\/\/\S+/)
  return address
}

describe("Pages of examples, in Chromium", () => {
  closesAfterEach()
  let browser: Browser

  before(async function () {
    browser = await chromiumOrSkip(this)
  })

  after(async () => {
    await browser?.close()
  })

  /** A tab, and what goes wrong in it. */
  const open = async (address: string, options: Parameters<Browser["newPage"]>[0] = {}): Promise<[Page, string[]]> => {
    const tab = await browser.newPage({ viewport: { width: 1_100, height: 700 }, ...options })
    later(() => tab.close())
    const wrong: string[] = []
    tab.on("pageerror", error => wrong.push(error.message))
    tab.on("console", message => void (message.type() === "error" && wrong.push(message.text())))
    await tab.goto(address)
    return [tab, wrong]
  }

  it("browser-chat: two people talk, and a third finds what was said", async () => {
    const address = await example("browser-chat")
    const enter = async (name: string, options = {}): Promise<Page> => {
      const [tab, wrong] = await open(address, options)
      later(() =>
        assert.deepEqual(
          wrong.filter(text => !text.includes("favicon")),
          [],
        ),
      )
      await tab.fill("#name", name)
      await tab.press("#name", "Enter")
      await tab.waitForSelector("#status[data-status=open]")
      return tab
    }
    const say = async (tab: Page, text: string): Promise<void> => {
      await tab.fill("#say input", text)
      await tab.press("#say input", "Enter")
    }
    const ann = await enter("ann")
    const bob = await enter("bob", { colorScheme: "dark" })
    await say(ann, "hello, bob")
    await bob.waitForSelector("#messages li:has-text('hello, bob')")
    await say(bob, "<b>hello</b>, ann")
    await ann.waitForSelector("#messages li:has-text('<b>hello</b>, ann')")
    await ann.waitForSelector("#people li:has-text('bob')")
    await ann.evaluate(`for (let i = 1; i <= 20; i++) {
      document.querySelector("#say input").value = "line " + i
      document.getElementById("say").requestSubmit()
    }`)
    await bob.waitForSelector("#messages li:has-text('line 20')")
    const carol = await enter("Čárol", { viewport: { width: 380, height: 600 } })
    await carol.waitForSelector("#messages li:has-text('line 20')")
    assert.equal(await carol.locator("#messages li").count(), 20)
    await carol.waitForSelector("#people li:has-text('ann')")
    await bob.click("#rooms button:has-text('music')")
    await bob.waitForSelector("#room:has-text('music')")
    assert.equal(await bob.locator("#messages li").count(), 0)
    await picture(ann, "chat-light")
    await bob.click("#rooms button:has-text('lobby')")
    await bob.waitForSelector("#messages li:has-text('line 20')")
    await picture(bob, "chat-dark")
    await picture(carol, "chat-narrow")
    await carol.close()
    await ann.waitForSelector("#people li:nth-child(3)", { state: "detached" })
  })

  it("browser-chat: refuses a name that is none", async () => {
    const [tab] = await open(await example("browser-chat"))
    // As if the form did not look at it.
    await tab.evaluate("document.getElementById('entry').noValidate = true")
    await tab.fill("#name", "no name")
    await tab.press("#name", "Enter")
    await tab.waitForSelector("#refusal:not(:empty)")
    await picture(tab, "chat-refused")
  })

  it("live-map: flights take off and move, and one airport can be followed", async () => {
    const address = await example("live-map")
    const [tab, wrong] = await open(address)
    await tab.waitForSelector("#departures tr:nth-child(3)")
    await tab.waitForSelector("#status:has-text('live from')")
    // Not `waitForFunction` with a text: the page's policy does not allow to evaluate one.
    const pixels = (): Promise<string> => tab.evaluate("document.getElementById('sky').toDataURL()")
    const before = await pixels()
    while ((await pixels()) === before);
    await picture(tab, "map-light")
    await tab.selectOption("#airport", "ATL")
    await tab.waitForSelector("#departures tr")
    const rows = await tab.locator("#departures tr").allInnerTexts()
    assert.ok(
      rows.every(row => row.includes("ATL")),
      rows.join("; "),
    )
    await tab.emulateMedia({ colorScheme: "dark" })
    await picture(tab, "map-dark")
    assert.deepEqual(
      wrong.filter(text => !text.includes("favicon")),
      [],
    )
  })
})
