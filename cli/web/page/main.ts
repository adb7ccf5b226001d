import type { Hello, Sheet } from "../sheet.ts"
import { Connection, type State } from "./connection.ts"
import { type Choice, Details } from "./details.ts"
import { byId, put, say } from "./dom.ts"
import { Graph } from "./graph.ts"
import { MessagesPanel } from "./messages.ts"
import { NewsPanel } from "./news.ts"
import { Tables } from "./tables.ts"
import { startTheme } from "./theme.ts"
import { Tiles } from "./tiles.ts"

/** Puts the parts of the page together: what comes goes to those that show it, what is chosen in one is shown in the others. */
class App {
  private sheet: Sheet | null = null
  private choice: Choice = null
  private paused = false
  private readonly tiles = new Tiles()
  private readonly details = new Details()
  private readonly news = new NewsPanel()
  private readonly graph = new Graph(node => this.choose(node === null ? null : { node }))
  private readonly tables = new Tables({
    subject: subject => this.chooseSubject(subject),
    link: link => this.choose({ link }),
  })
  private readonly connection = new Connection({
    hello: hello => this.hello(hello),
    sheet: sheet => this.add(sheet, true),
    news: news => this.news.add(news),
    messages: messages => this.messages.take(messages),
    state: (state, text) => this.state(state, text),
  })
  private readonly messages = new MessagesPanel(async pattern => {
    await this.connection.choose(pattern)
    this.tables.markSubject(pattern ?? "")
  })

  start(): void {
    const pause = byId<HTMLButtonElement>("pause")
    pause.addEventListener("click", () => {
      this.paused = !this.paused
      this.messages.paused = this.paused
      put(pause, { "aria-pressed": this.paused })
      document.body.classList.toggle("paused", this.paused)
      say(pause, this.paused ? "Go on" : "Pause")
      this.show()
    })
    this.connection.open()
  }

  private hello({ fabric, history, news, sheet }: Hello): void {
    say(byId("fabric"), fabric)
    document.title = `${fabric} – Heddle`
    this.tiles.restore(history)
    this.tables.restore(history)
    this.news.restore(news)
    if (sheet !== null) this.add(sheet, false)
    this.messages.again()
  }

  /** `fresh`: it is not in the history yet. */
  private add(sheet: Sheet, fresh: boolean): void {
    this.sheet = sheet
    if (fresh) this.tiles.add(sheet)
    this.tables.add(sheet, fresh)
    this.show()
  }

  /** Figures are taken while the page is paused, and shown when it goes on. */
  private show(): void {
    const { sheet } = this
    if (sheet === null || this.paused) return
    this.tiles.show(sheet)
    this.graph.update(sheet)
    this.tables.show()
    this.details.show(this.choice, sheet)
    this.messages.propose(sheet.subjects.map(({ subject }) => subject))
  }

  private choose(choice: Choice): void {
    this.choice = choice
    const link = choice !== null && "link" in choice ? choice.link : ""
    this.graph.mark(choice === null ? [] : "node" in choice ? [choice.node] : link.split(" "))
    this.tables.markLink(link)
    if (this.sheet !== null) this.details.show(choice, this.sheet)
  }

  private chooseSubject(subject: string): void {
    this.tables.markSubject(subject)
    void this.messages.choose(subject)
  }

  private state(state: State, text: string): void {
    const banner = byId("banner")
    put(byId("state"), { "data-state": state })
    say(byId("state"), LABELS[state])
    banner.hidden = state === "live" || state === "connecting"
    say(banner, banner.hidden ? "" : text)
    // What is shown is not true any more.
    document.body.classList.toggle("stale", !banner.hidden)
  }
}

const LABELS = { connecting: "Connecting", live: "Live", lost: "Connection lost", refused: "Not let in" } as const

startTheme()
new App().start()
