import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import fs from "node:fs"
import net from "node:net"
import os from "node:os"
import path from "node:path"
import { promisify } from "node:util"
import { FIXTURE, fetchJars } from "./kafka-jars.ts"

/** Any valid one will do: every test broker is a cluster of its own. */
const CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"
/** Ports are chosen before the broker takes them: somebody else may be quicker. */
const ATTEMPTS = 3

export type ListenerName = "PLAINTEXT" | "SASL_PLAINTEXT" | "SSL"

export interface BrokerOptions {
  /** Kept when the broker stops; default: a temporary one, removed with it. */
  dataFolder?: string
  /** Added to those of the fixture. */
  properties?: Readonly<Record<string, string>>
  /** Default: PLAINTEXT alone, which is always there. */
  listeners?: readonly ListenerName[]
  /** Default: what starts quickest. */
  javaOptions?: readonly string[]
  /** It becomes one more broker of this one's cluster, whose controller that one stays. */
  joins?: KafkaBroker
  /** Its number in the cluster. Default: 1, which is the first one's. */
  node?: number
}

const SCRAM = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
/** A user of the SASL listeners, by PLAIN and by SCRAM. */
export const USER = { name: "alice", password: "secret" } as const
const STORE_PASSWORD = "heddle-test"

const running = new Set<KafkaBroker>()
process.on("exit", () => {
  for (const broker of running) broker.killNow()
})

/** Stops all that still run. */
export async function stopBrokers(): Promise<void> {
  await Promise.all([...running].map(broker => broker.stop()))
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, "127.0.0.1"))
  await Promise.all(servers.map(server => once(server, "listening")))
  const ports = servers.map(server => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** A real broker of our own: one process on 127.0.0.1. */
export class KafkaBroker {
  readonly folder: string
  readonly data: string
  readonly ports = new Map<string, number>()
  private readonly options: BrokerOptions
  private child: ChildProcess | null = null
  private guard: ChildProcess | null = null
  private frozen = false

  private constructor(options: BrokerOptions) {
    this.options = options
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-kafka-"))
    this.data = options.dataFolder ?? path.join(this.folder, "data")
  }

  static async start(options: BrokerOptions = {}): Promise<KafkaBroker> {
    const broker = new KafkaBroker(options)
    try {
      if (options.listeners?.includes("SSL")) await broker.makeKeys()
      await broker.boot()
    } catch (error) {
      fs.rmSync(broker.folder, { recursive: true, force: true })
      throw error
    }
    return broker
  }

  /** host:port of a listener. */
  address(listener: ListenerName = "PLAINTEXT"): string {
    return `127.0.0.1:${this.ports.get(listener)}`
  }

  get bootstrap(): string {
    return this.address()
  }

  /** The certificate of the SSL listener (PEM), which has signed itself. */
  get certificate(): string {
    return fs.readFileSync(path.join(this.folder, "broker.pem"), "utf8")
  }

  /** Stops it in order, and forgets its data when they are its own. */
  async stop(): Promise<void> {
    await this.end("SIGTERM")
    fs.rmSync(this.folder, { recursive: true, force: true })
  }

  /** As a crash would, data kept. */
  async kill(): Promise<void> {
    await this.end("SIGKILL")
  }

  /** Stands still as if the host did: connections stay open and nobody answers. */
  freeze(): void {
    this.frozen = true
    this.child?.kill("SIGSTOP")
    // Its threads stop one by one: what is sent from here on must not be answered.
    while (this.child?.pid !== undefined && isRunning(this.child.pid)) Atomics.wait(NOBODY_WAKES, 0, 0, 1)
  }

  thaw(): void {
    this.frozen = false
    this.child?.kill("SIGCONT")
  }

  /** Starts it again, after `kill` or in its place, with the same data and ports. */
  async restart(how: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.end(how)
    await this.launch()
  }

  /** Whatever was done to it: it runs. */
  async mend(): Promise<void> {
    if (this.child === null) await this.launch()
    else this.thaw()
  }

  killNow(): void {
    this.guard?.kill("SIGKILL")
    this.child?.kill("SIGKILL")
    fs.rmSync(this.folder, { recursive: true, force: true })
  }

  private async boot(): Promise<void> {
    const more = (this.options.listeners ?? []).filter(name => name !== "PLAINTEXT")
    const names = ["PLAINTEXT", ...more, ...(this.options.joins === undefined ? ["CONTROLLER"] : [])]
    for (let attempt = 1; ; attempt++) {
      const ports = await freePorts(names.length)
      for (const [index, name] of names.entries()) this.ports.set(name, ports[index])
      this.writeProperties(names)
      try {
        await this.format()
        await this.launch()
        return
      } catch (error) {
        await this.end("SIGKILL")
        if (attempt === ATTEMPTS || !/already in use|BindException/.test(String(error))) throw error
      }
    }
  }

  private get propertiesFile(): string {
    return path.join(this.folder, "server.properties")
  }

  private writeProperties(names: readonly string[]): void {
    const listeners = names.map(name => `${name}://127.0.0.1:${this.ports.get(name)}`).join(",")
    const { joins, node = 1 } = this.options
    const lines: Record<string, string> = {
      listeners,
      "advertised.listeners": listeners,
      "controller.quorum.bootstrap.servers": `127.0.0.1:${(joins ?? this).ports.get("CONTROLLER")}`,
      "node.id": String(node),
      ...(joins === undefined ? {} : { "process.roles": "broker" }),
      "log.dirs": this.data,
      ...(names.includes("SASL_PLAINTEXT") ? sasl() : {}),
      ...(names.includes("SSL") ? this.ssl() : {}),
      ...this.options.properties,
    }
    const text = Object.entries(lines).map(([key, value]) => `${key}=${value}`)
    const fixed = fs.readFileSync(path.join(FIXTURE, "server.properties"), "utf8")
    fs.writeFileSync(this.propertiesFile, `${fixed}\n${text.join("\n")}\n`)
  }

  private ssl(): Record<string, string> {
    return {
      "ssl.keystore.location": path.join(this.folder, "broker.p12"),
      "ssl.keystore.type": "PKCS12",
      "ssl.keystore.password": STORE_PASSWORD,
      "ssl.key.password": STORE_PASSWORD,
    }
  }

  private async makeKeys(): Promise<void> {
    const store = ["-keystore", path.join(this.folder, "broker.p12"), "-storetype", "PKCS12", "-storepass"]
    const alias = ["-alias", "broker", ...store, STORE_PASSWORD]
    const names = ["-dname", "CN=localhost", "-ext", "san=dns:localhost,ip:127.0.0.1"]
    await promisify(execFile)("keytool", ["-genkeypair", "-keyalg", "EC", "-validity", "7", ...names, ...alias])
    await promisify(execFile)("keytool", [
      "-exportcert",
      "-rfc",
      "-file",
      path.join(this.folder, "broker.pem"),
      ...alias,
    ])
  }

  private async format(): Promise<void> {
    // `-g`: a data folder that has been formatted before is taken as it is.
    const user = SCRAM.flatMap(name => ["--add-scram", `${name}=[name=${USER.name},password=${USER.password}]`])
    const first = this.options.joins === undefined ? ["--standalone", ...user] : []
    const how = ["format", "-g", "-t", CLUSTER_ID, "-c", this.propertiesFile, ...first]
    const args = [...(await this.java(QUICK)), "kafka.tools.StorageTool", ...how]
    await promisify(execFile)("java", args)
  }

  private async java(options: readonly string[]): Promise<string[]> {
    const logging = `-Dlog4j2.configurationFile=${path.join(FIXTURE, "log4j2.properties")}`
    return ["-Xms128m", "-Xmx512m", ...options, logging, "-cp", await fetchJars()]
  }

  private async launch(): Promise<void> {
    const args = [...(await this.java(this.options.javaOptions ?? QUICK)), "kafka.Kafka", this.propertiesFile]
    const child = spawn("java", args, { stdio: ["ignore", "pipe", "pipe"] })
    this.child = child
    running.add(this)
    this.watchOver(child)
    // Only the end of it is kept: a broker that a test torments may say a lot.
    let said = ""
    await new Promise<void>((resolve, reject) => {
      const hear = (text: string): void => {
        said = (said + text).slice(-20_000)
        if (said.includes("Kafka Server started")) resolve()
      }
      child.stdout.setEncoding("utf8").on("data", hear)
      child.stderr.setEncoding("utf8").on("data", hear)
      child.once("exit", code => reject(new Error(`the broker ended with ${code}:\n${said}`)))
    })
    // The process of the tests may end while it runs.
    child.unref()
    for (const stream of [child.stdout, child.stderr]) (stream as unknown as net.Socket).unref()
  }

  /** A shell that ends the broker when our process is gone, however it went: its standard input ends then. */
  private watchOver(child: ChildProcess): void {
    const script = 'cat >/dev/null; kill -9 "$0"; rm -rf "$1"'
    const guard = spawn("sh", ["-c", script, String(child.pid), this.folder], { stdio: ["pipe", "ignore", "ignore"] })
    guard.unref()
    ;(guard.stdin as unknown as net.Socket).unref()
    this.guard = guard
  }

  private async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { child, guard } = this
    this.child = this.guard = null
    running.delete(this)
    guard?.kill("SIGKILL")
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    child.ref()
    const exited = once(child, "exit")
    child.kill(signal)
    // It takes no notice of an order to stop while it is frozen.
    if (this.frozen) child.kill("SIGCONT")
    this.frozen = false
    await exited
  }
}

/** Classes out of Maven's jars need not be proved harmless at every start: a fourth of the time of one. */
const TRUSTING = ["-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote"]
/** Two cores are shared with the tests: the compiler that optimises would take more than it gives. */
const QUICK = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", ...TRUSTING]

function sasl(): Record<string, string> {
  const prefix = "listener.name.sasl_plaintext"
  const login = "org.apache.kafka.common.security"
  const callbacks = `${login}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`
  return {
    [`${prefix}.sasl.enabled.mechanisms`]: ["PLAIN", ...SCRAM, "OAUTHBEARER"].join(),
    [`${prefix}.plain.sasl.jaas.config`]: `${login}.plain.PlainLoginModule required user_${USER.name}="${USER.password}";`,
    ...Object.fromEntries(
      SCRAM.map(name => [
        `${prefix}.${name.toLowerCase()}.sasl.jaas.config`,
        `${login}.scram.ScramLoginModule required;`,
      ]),
    ),
    [`${prefix}.oauthbearer.sasl.jaas.config`]: `${login}.oauthbearer.OAuthBearerLoginModule required;`,
    [`${prefix}.oauthbearer.sasl.server.callback.handler.class`]: callbacks,
  }
}

const NOBODY_WAKES = new Int32Array(new SharedArrayBuffer(4))

/** Any of its threads is neither stopped nor gone. */
function isRunning(pid: number): boolean {
  try {
    return fs.readdirSync(`/proc/${pid}/task`).some(thread => {
      const status = fs.readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1")
      // The name in brackets may hold anything.
      return !"TtZX".includes(status[status.lastIndexOf(")") + 2])
    })
  } catch {
    return false
  }
}
