import http from "node:http"
import type { AddressInfo } from "node:net"
import { type ConfigValue, camelCase } from "../../../bridge-kafka/config/keys.ts"
import { parseValue } from "../../../bridge-kafka/config/value.ts"
import type { Converter, ConverterSettings } from "../../../bridge-kafka/converters/converter.ts"
import { findConverter } from "../../../bridge-kafka/converters/converters.ts"
import type { BridgeRecord } from "../../../bridge-kafka/record.ts"
import { later } from "../../support/cleanup.ts"

interface Stored {
  readonly schema: string
  readonly schemaType: string
  readonly references: readonly { name: string; subject: string; version: number }[]
}

/** What goes wrong with every request while it is set. */
export type Fault = "500" | "hang" | "break" | "html" | "oversize" | "redirect" | "401" | "plain404"

/** A schema registry over real HTTP: ids, subjects, versions, references, look-up, registration, and faults. */
export class FakeRegistry {
  url = ""
  fault: Fault | null = null
  /** Answers wait until it resolves. */
  gate: Promise<void> | null = null
  readonly requests: string[] = []
  readonly authorizations: (string | undefined)[] = []
  private readonly byId = new Map<number, Stored>()
  private readonly subjects = new Map<string, number[]>()
  private readonly server = http.createServer((request, response) => {
    void this.serve(request, response)
  })

  static async start(): Promise<FakeRegistry> {
    const registry = new FakeRegistry()
    await new Promise<void>(resolve => registry.server.listen(0, "127.0.0.1", resolve))
    registry.url = `http://127.0.0.1:${(registry.server.address() as AddressInfo).port}`
    later(() => registry.stop())
    return registry
  }

  async stop(): Promise<void> {
    const closed = new Promise(resolve => this.server.close(resolve))
    this.server.closeAllConnections()
    await closed
  }

  add(id: number, subject: string, schema: unknown, schemaType = "AVRO", references: Stored["references"] = []): void {
    const text = typeof schema === "string" ? schema : JSON.stringify(schema)
    this.byId.set(id, { schema: text, schemaType, references })
    this.subjects.set(subject, [...(this.subjects.get(subject) ?? []), id])
  }

  private async serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    this.requests.push(`${request.method} ${request.url}`)
    this.authorizations.push(request.headers.authorization)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    await this.gate
    const say = (status: number, value: unknown): void => {
      response.writeHead(status, { "content-type": "application/vnd.schemaregistry.v1+json" })
      response.end(JSON.stringify(value))
    }
    switch (this.fault) {
      case "500":
        return say(500, { error_code: 50001, message: "store" })
      case "hang":
        return
      case "break":
        response.writeHead(200, { "content-length": "1000" })
        response.write("{")
        response.socket?.destroy()
        return
      case "html":
        response.writeHead(200, { "content-type": "text/html" })
        response.end("<html>log in</html>")
        return
      case "oversize":
        response.writeHead(200)
        response.end(Buffer.alloc(3 * 1024 * 1024, "["))
        return
      case "redirect":
        response.writeHead(302, { location: "http://127.0.0.1:1/elsewhere" })
        response.end()
        return
      case "401":
        return say(401, { error_code: 40101, message: "Unauthorized" })
      case "plain404":
        response.writeHead(404)
        response.end("{}")
        return
    }
    const body = chunks.length === 0 ? null : JSON.parse(Buffer.concat(chunks).toString())
    const [, kind, name, action, version] = (request.url ?? "").split("/").map(decodeURIComponent)
    if (kind === "schemas") {
      const found = this.byId.get(Number(action))
      return found === undefined ? say(404, { error_code: 40403, message: "Schema not found" }) : say(200, found)
    }
    const ids = this.subjects.get(name)
    if (body !== null) {
      const same = ids?.find(id => this.byId.get(id)?.schema === body.schema)
      if (same !== undefined) return say(200, { id: same, subject: name, version: 1, schema: body.schema })
      if (action === undefined) return say(404, { error_code: 40403, message: "Schema not found" })
      if (body.schema.includes("incompatible")) return say(409, { error_code: 409, message: "Schema being registered" })
      const id = 900 + this.byId.size
      this.add(id, name, body.schema, body.schemaType)
      return say(200, { id })
    }
    if (ids === undefined) return say(404, { error_code: 40401, message: "Subject not found" })
    const index = version === "latest" ? ids.length - 1 : Number(version) - 1
    return say(200, { id: ids[index], subject: name, version: index + 1, ...this.byId.get(ids[index]) })
  }
}

/** As configuration hands them over: every key, with its default. */
export function settingsOf(name: string, given: Readonly<Record<string, unknown>>): ConverterSettings {
  const settings: Record<string, ConfigValue> = {}
  const unknown = new Set(Object.keys(given))
  for (const key of findConverter(name).keys) {
    unknown.delete(key.name)
    const value = given[key.name] ?? key.default
    if (value === undefined) {
      settings[camelCase(key.name)] = null
      continue
    }
    const result = parseValue(key, value)
    if ("wrong" in result) throw new Error(`${key.name} ${result.wrong}`)
    settings[camelCase(key.name)] = result.value
  }
  if (unknown.size > 0) throw new Error(`unknown settings: ${[...unknown]}`)
  return settings
}

export async function converterFor(
  name: string,
  given: Readonly<Record<string, unknown>> = {},
  isKey = false,
): Promise<Converter> {
  const converter = await findConverter(name).create(settingsOf(name, given), { isKey })
  later(() => converter.close())
  return converter
}

export function recordOf(value: Buffer | null, codec: string | null, topic = "orders"): BridgeRecord {
  return {
    subject: "orders.eu",
    topic,
    partition: -1,
    key: Buffer.from("orders.eu"),
    value,
    headers: codec === null ? [] : [["hd.codec", Buffer.from(codec)]],
    timestamp: 0,
  }
}

export function hex(...parts: string[]): Buffer {
  return Buffer.from(parts.join("").replaceAll(" ", ""), "hex")
}

/** For `assert.throws` and `assert.rejects`. */
export function kafkaError(kind: string, text: RegExp): (error: unknown) => boolean {
  return error => {
    const found = error as { code?: string; kind?: string; message?: string }
    if (found.code === "ERR_KAFKA" && found.kind === kind && text.test(found.message ?? "")) return true
    throw new Error(`expected ${kind} ${text}, but got ${found.code} ${found.kind}: ${found.message}`, { cause: error })
  }
}
