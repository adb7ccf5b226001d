/** What the tests of `heddle top --web` have in common. */
import assert from "node:assert/strict"
import fs from "node:fs"
import { fileURLToPath } from "node:url"
import { type Fabric, join, seeds } from "../../index.ts"
import { later, using } from "../support/cleanup.ts"

/** Where the command looks for the page: beside its compiled modules. */
const BUILT = fileURLToPath(new URL("../../cli/web/page/", import.meta.url))

/** The page as `npm run build` makes it, also where only the compiler ran. */
export async function buildPage(): Promise<void> {
  if (fs.existsSync(`${BUILT}main.js`)) return
  const source = fileURLToPath(new URL("../../../cli/web/page/", import.meta.url))
  const { build } = await import("esbuild")
  await build({
    entryPoints: ["main.ts", "style.css", "index.html"].map(name => source + name),
    bundle: true,
    minify: true,
    format: "esm",
    loader: { ".html": "copy" },
    outdir: BUILT,
  })
}

/** Linked nodes of these names. The first is the one that looks on. */
export async function shop(...names: string[]): Promise<Fabric[]> {
  const nodes: Fabric[] = []
  for (const name of names) nodes.push(await enter(name, nodes[0]))
  for (const node of nodes) await node.ready({ peers: names.length - 1 })
  return nodes
}

/** A node, which finds the others by `first`. */
export async function enter(name: string, first?: Fabric): Promise<Fabric> {
  const discovery = first === undefined ? [] : [seeds([first.endpoints[0]])]
  return using(await join("shop", { name, discovery, listen: "tcp://127.0.0.1:0" }))
}

/** Some traffic from one node, until the test ends. */
export function busy(node: Fabric, subject: string, every = 5): void {
  let number = 0
  const timer = setInterval(() => node.publish(subject, { number: number++ }), every)
  later(() => clearInterval(timer))
}

interface Event {
  readonly type: string
  readonly data: unknown
}

/** Reads Server-Sent Events. */
export class Events {
  readonly response: Response
  private readonly reader: ReadableStreamDefaultReader<Uint8Array>
  private readonly decoder = new TextDecoder()
  private text = ""

  private constructor(response: Response) {
    this.response = response
    this.reader = (response.body as ReadableStream<Uint8Array>).getReader()
  }

  static async open(url: string): Promise<Events> {
    const controller = new AbortController()
    later(() => controller.abort())
    const response = await fetch(url, { signal: controller.signal })
    assert.equal(response.status, 200)
    return new Events(response)
  }

  /** The next event of this type that is as wanted; others are passed over. */
  async next<T>(type: string, wanted: (data: T) => boolean = () => true): Promise<T> {
    for (;;) {
      const event = await this.read()
      if (event.type === type && wanted(event.data as T)) return event.data as T
    }
  }

  /** Resolves when the server has ended the stream. */
  async ended(): Promise<void> {
    while (!(await this.reader.read()).done);
  }

  private async read(): Promise<Event> {
    for (;;) {
      const end = this.text.indexOf("\n\n")
      if (end >= 0) {
        const [, type, json] = /^event: (.*)\ndata: (.*)$/.exec(this.text.slice(0, end)) ?? assert.fail(this.text)
        this.text = this.text.slice(end + 2)
        return { type, data: JSON.parse(json) }
      }
      const { done, value } = await this.reader.read()
      if (done) throw new Error("the stream has ended")
      this.text += this.decoder.decode(value, { stream: true })
    }
  }
}

/** An address of the server, with the token of `url`. */
export function at(url: string, path: string): string {
  const { origin, search } = new URL(url)
  return `${origin}${path}${search}`
}
