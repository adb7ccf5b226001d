import { HeddleError } from "../../../core/errors.ts"

/** All times in milliseconds. */
export interface MembershipOptions {
  /** Time between two probes, each of one member; default 1,000. */
  readonly period: number
  /** Without an answer for so long, others are asked to probe; less than the period. Default 500. */
  readonly probeTimeout: number
  /** How many others are asked; default 3 (k in the paper). */
  readonly helpers: number
  /** A suspect has so long to object, times log10 of the members when they are more than ten; default 5,000. */
  readonly suspicionTimeout: number
  /** News that all find out by themselves wait a random time up to this, so that few tell them; default 100. */
  readonly gossipDelay: number
  /** Time between two attempts to reach a dead member, in case the network was cut and is back; default 10,000. */
  readonly redial: number
  /** Members, this one included; default 4,096. */
  readonly maxMembers: number
  /** The departed that are remembered; default 1,024. */
  readonly maxTombstones: number
  /** How long they are remembered; default 600,000 = 10 minutes. */
  readonly tombstoneTime: number
}

const DEFAULTS: MembershipOptions = {
  period: 1_000,
  probeTimeout: 500,
  helpers: 3,
  suspicionTimeout: 5_000,
  gossipDelay: 100,
  redial: 10_000,
  maxMembers: 4_096,
  maxTombstones: 1_024,
  tombstoneTime: 600_000,
}

/** @throws HeddleError EINVAL */
export function membershipOptions(given: Partial<MembershipOptions>): MembershipOptions {
  const options = { ...DEFAULTS, ...given }
  for (const [name, value] of Object.entries(options))
    if (typeof value !== "number" || !(value >= 0))
      throw new HeddleError("EINVAL", `Membership's ${name} must be a number from 0; got ${String(value)}`)
  const { period, probeTimeout } = options
  if (probeTimeout >= period)
    throw new HeddleError("EINVAL", `A probe's timeout (${probeTimeout} ms) must be within its period (${period} ms)`)
  return options
}
