import * as check from "./checks.ts"
import type { ConfigKey } from "./keys.ts"

/** Settings at the top of the file. */
export const BRIDGE_KEYS = [
  {
    name: "name",
    type: "string",
    required: true,
    doc: "Name of the bridge, the same for all its instances. It is in the subjects `$BRIDGE.<name>.…`, in the internal topics `__hd.<name>.…` and in the transactional ids: change it, and a new bridge begins.",
    check: check.name,
  },
  {
    name: "hops.max",
    type: "int",
    default: 8,
    min: 1,
    max: 64,
    doc: "Connectors that a record may pass; one that passed more is dropped and counted (MAP-4).",
  },
  {
    name: "allow.cycle",
    type: "boolean",
    default: false,
    doc: "Accepts a configuration whose sinks and sources feed each other. Records still stop at the connector, and at the subject, that they came from, as long as nobody takes the headers `hd.hops` and `hd.subject` away.",
  },
] as const satisfies readonly ConfigKey[]

/** Settings of "fabric": how the bridge's node joins. */
export const FABRIC_KEYS = [
  {
    name: "name",
    type: "string",
    default: "default",
    doc: "Name of the fabric to join, as in `join(name)`: nodes of another name are refused.",
    check: check.notEmpty,
  },
  {
    name: "id",
    type: "string",
    doc: "Which fabric this is among all that bridges connect: what came from it and was in another since does not come back (`hd.hops`, MAP-4). Default: its name. Two fabrics of the same name need two ids.",
    check: check.name,
  },
  {
    name: "connect",
    type: "list",
    doc: "Endpoints of nodes to find the fabric at (`seeds`): `tcp://10.0.0.7:7000`. Each is tried for ever.",
  },
  {
    name: "discovery",
    type: "list",
    doc: "Further ways to find it: `directory`, `directory:/path`, `multicast`, `multicast:INTERFACE`, `dns:NAME:PORT`. Default: `directory` without `connect`, otherwise none.",
    check: value => discovery(value as readonly string[]),
  },
  {
    name: "listen",
    type: "list",
    doc: "Endpoints to listen on. Default: as discovery needs it, otherwise `tcp://127.0.0.1:0`.",
  },
  {
    name: "advertise",
    type: "list",
    doc: "Endpoints that others are told, where they differ from those listened on (NAT, containers).",
  },
] as const satisfies readonly ConfigKey[]

function discovery(ways: readonly string[]): string | null {
  const wrong = ways.find(way => !/^(?:directory(?::.+)?|multicast(?::.+)?|dns:[^:]+(?::\d{1,5})?)$/.test(way))
  return wrong === undefined ? null : `${JSON.stringify(wrong)} is none of directory, multicast, dns:NAME:PORT`
}

/** Settings of "spool": the log on disk between fabric and Kafka (SPOOL-1 to SPOOL-5). */
export const SPOOL_KEYS = [
  {
    name: "dir",
    type: "string",
    required: true,
    doc: "Folder of the logs, of this instance alone: each sink has a folder of its name in it. Made when it is not there.",
    check: check.notEmpty,
  },
  {
    name: "mode",
    type: "string",
    default: "always",
    values: ["off", "overflow", "always"],
    doc: '`always`: every record is on disk before it is sent; needed for `ack: "spooled"`, for exactly-once and without Kafka. `overflow`: only what Kafka does not take at once. `off`: never.',
  },
  {
    name: "max.bytes",
    type: "bytes",
    default: "8GiB",
    min: 1024 * 1024,
    doc: "Largest size of the log of one connector, all segments together; then `full` decides.",
  },
  {
    name: "segment.bytes",
    type: "bytes",
    min: 64 * 1024,
    max: 2 ** 30,
    doc: "Size of one file; room is freed by whole files. Default: a quarter of `max.bytes`, at most 64 MiB.",
  },
  {
    name: "full",
    type: "string",
    default: "block",
    values: ["block", "drop-oldest", "drop-new"],
    doc: "What a full log (or disk) does: `block` refuses records, so that `durablePublish` is told to come again and plain publishes are dropped and counted; `drop-oldest` frees the oldest segment, unsent or not, and counts; `drop-new` drops and counts what comes.",
  },
  {
    name: "fsync",
    type: "string",
    default: "interval:5ms",
    doc: 'When what was written is forced onto the disk: `always` (each group of records as soon as the last is on it), `interval:5ms` (at most so often; `ack: "spooled"` waits for it), `never` (the operating system decides; a power failure may take seconds of records, and `spooled` then promises no more than that the process may die).',
    check: check.fsync,
  },
  {
    name: "tail.bytes",
    type: "bytes",
    default: "16MiB",
    min: 1,
    doc: "The newest records that are kept in memory too, so that a reader that keeps up never reads the disk.",
  },
  {
    name: "buffer.bytes",
    type: "bytes",
    default: "32MiB",
    min: 1,
    doc: "Records that may wait for the disk; more are refused and counted.",
  },
  {
    name: "retain.bytes",
    type: "bytes",
    default: 0,
    doc: "Records kept by size. Without Kafka the log is the store: then 0 means up to `max.bytes`. With Kafka: kept after Kafka has them, for nothing but to know retries of `durablePublish` after a restart (replays read Kafka); 0 = freed, unless `retain.age` keeps them.",
  },
  {
    name: "retain.age",
    type: "duration",
    default: 0,
    doc: "The same by age. 0 = no limit by age where `retain.bytes` keeps any.",
  },
] as const satisfies readonly ConfigKey[]

/** Settings of "control.http": Connect's REST paths and /metrics. Without the object there is no port. */
export const HTTP_KEYS = [
  {
    name: "host",
    type: "string",
    default: "127.0.0.1",
    doc: "Address to listen on. One that others can reach (not `127.0.0.0/8`, `::1`, `localhost`) needs a `token`.",
    check: check.notEmpty,
  },
  {
    name: "token",
    type: "password",
    doc: "What requests must bring: `Authorization: Bearer TOKEN`, also to `/health` and `/metrics`. 16 characters at least (letters, digits, `._~+/-`); `${env:X}` keeps it out of the file. Without it everybody on this machine may do everything. It goes over the wire as it is: put TLS before it.",
    check: check.bearer,
  },
  {
    name: "port",
    type: "int",
    default: 8083,
    min: 0,
    max: 65535,
    doc: "Port; 0 = any free one. The default is Connect's.",
  },
] as const satisfies readonly ConfigKey[]
