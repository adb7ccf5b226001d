import fs from "node:fs"
import type { ConnectionOptions } from "node:tls"
import { HeddleError } from "../../core/errors.ts"
import type { KafkaProperties } from "../driver.ts"

/** Of one driver: what its connections need. Milliseconds. */
export interface ClientSettings {
  readonly bootstrap: string[]
  readonly clientId: string
  readonly requestTimeout: number
  readonly connectTimeout: number
  readonly retryDelay: number
  readonly retryDelayMost: number
  /** Records of one partition that go in one batch, in bytes. */
  readonly batchBytes: number
  readonly tls: ConnectionOptions | undefined
  readonly sasl: Sasl | undefined
}

export interface Sasl {
  readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" | "OAUTHBEARER"
  readonly username?: string
  readonly password?: string
  readonly token?: string | TokenSource
}

/** Asked for a token at every connection and before one expires. */
export type TokenSource = () => string | Promise<string>

/** What a file cannot say. */
export interface CodeOptions {
  /** In the place of `sasl.oauthbearer.token`. */
  readonly token?: TokenSource
}

/** All properties that are known, with what they are when they are not given. Names and meanings are those of Kafka's own clients. */
const DEFAULTS = {
  "bootstrap.servers": "",
  "client.id": "heddle",
  "security.protocol": "PLAINTEXT",
  "sasl.mechanism": "",
  "sasl.username": "",
  "sasl.password": "",
  "sasl.jaas.config": "",
  "sasl.oauthbearer.token": "",
  /** PEM text. */
  "ssl.ca": "",
  /** A file of PEM. */
  "ssl.truststore.location": "",
  "ssl.truststore.type": "PEM",
  "ssl.cert": "",
  "ssl.key": "",
  "ssl.key.password": "",
  /** "" switches the check of the host's name off, as in Kafka. */
  "ssl.endpoint.identification.algorithm": "https",
  "request.timeout.ms": "30000",
  "socket.connection.setup.timeout.ms": "10000",
  "retry.backoff.ms": "100",
  "retry.backoff.max.ms": "1000",
  /** Half of what a broker takes in one batch by default (1 MiB): a batch of compressed text may grow. */
  "batch.size": "524288",
} as const

type Name = keyof typeof DEFAULTS

const MECHANISMS: readonly string[] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
const PROTOCOLS: readonly string[] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]

function wrong(text: string): HeddleError {
  return new HeddleError("ERR_CONFIG", text)
}

/** Throws ERR_CONFIG for a property that is unknown or cannot be. Values of secrets are not repeated in it. */
export function readProperties(properties: KafkaProperties, code: CodeOptions = {}): ClientSettings {
  for (const name of Object.keys(properties)) {
    if (name in DEFAULTS) continue
    throw wrong(`Kafka property ${name} is not known; known are ${Object.keys(DEFAULTS).join(", ")}`)
  }
  const text = (name: Name): string => properties[name] ?? DEFAULTS[name]
  const number = (name: Name): number => {
    const value = Number(text(name))
    if (Number.isSafeInteger(value) && value > 0) return value
    throw wrong(`Kafka property ${name} has to be a number above 0, not "${text(name)}"`)
  }
  const protocol = text("security.protocol").toUpperCase()
  if (!PROTOCOLS.includes(protocol)) throw wrong(`security.protocol has to be one of ${PROTOCOLS}, not "${protocol}"`)
  return {
    bootstrap: servers(text("bootstrap.servers")),
    clientId: text("client.id"),
    requestTimeout: number("request.timeout.ms"),
    connectTimeout: number("socket.connection.setup.timeout.ms"),
    retryDelay: number("retry.backoff.ms"),
    retryDelayMost: number("retry.backoff.max.ms"),
    batchBytes: number("batch.size"),
    tls: protocol.endsWith("SSL") ? readTls(text) : undefined,
    sasl: protocol.startsWith("SASL") ? readSasl(text, code) : undefined,
  }
}

function servers(text: string): string[] {
  const found = text.split(",").map(server => server.trim())
  if (found.every(server => /^(\[[^\]]+\]|[^\s:]+):\d+$/.test(server))) return found
  throw wrong(`bootstrap.servers has to be host:port, several with commas between, not "${text}"`)
}

function readTls(text: (name: Name) => string): ConnectionOptions {
  if (text("ssl.truststore.type").toUpperCase() !== "PEM") {
    throw wrong('ssl.truststore.type can be "PEM" only; convert the store with keytool -exportcert -rfc')
  }
  const location = text("ssl.truststore.location")
  let ca = text("ssl.ca")
  if (ca === "" && location !== "") {
    try {
      ca = fs.readFileSync(location, "utf8")
    } catch (cause) {
      throw new HeddleError("ERR_CONFIG", `ssl.truststore.location: ${(cause as Error).message}`, { cause })
    }
  }
  const checked = text("ssl.endpoint.identification.algorithm") !== ""
  return {
    ...(ca === "" ? {} : { ca }),
    ...(text("ssl.cert") === "" ? {} : { cert: text("ssl.cert") }),
    ...(text("ssl.key") === "" ? {} : { key: text("ssl.key") }),
    ...(text("ssl.key.password") === "" ? {} : { passphrase: text("ssl.key.password") }),
    // The chain is checked in any case, the name only when it is wanted.
    ...(checked ? {} : { checkServerIdentity: () => undefined }),
  }
}

function readSasl(text: (name: Name) => string, code: CodeOptions): Sasl {
  const mechanism = text("sasl.mechanism").toUpperCase() as Sasl["mechanism"]
  if (!MECHANISMS.includes(mechanism)) throw wrong(`sasl.mechanism has to be one of ${MECHANISMS}, not "${mechanism}"`)
  if (mechanism === "OAUTHBEARER") {
    const token = code.token ?? text("sasl.oauthbearer.token")
    if (token === "")
      throw wrong("sasl.mechanism OAUTHBEARER needs sasl.oauthbearer.token, or a function for it in code")
    return { mechanism, token }
  }
  const jaas = text("sasl.jaas.config")
  const username = text("sasl.username") || ofJaas(jaas, "username")
  const password = text("sasl.password") || ofJaas(jaas, "password")
  if (username === "" || password === "") {
    throw wrong(`sasl.mechanism ${mechanism} needs sasl.username and sasl.password (or both in sasl.jaas.config)`)
  }
  return { mechanism, username, password }
}

/** The value of `name="value"` in the line that Java's clients take. */
function ofJaas(text: string, name: string): string {
  const found = new RegExp(`\\b${name}\\s*=\\s*"((?:[^"\\\\]|\\\\.)*)"`).exec(text)
  return found === null ? "" : found[1].replace(/\\(.)/g, "$1")
}
