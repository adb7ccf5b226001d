import assert from "node:assert/strict"
import type { FabricEvent } from "../../../index.ts"
import { type Fabric, type JoinOptions, join, seeds } from "../../../index.ts"
import { using } from "../../support/cleanup.ts"
import { Network } from "../../support/network.ts"

const HERE = "tcp://127.0.0.1:0"

export type Gap = Extract<FabricEvent, { type: "gap" }>

export const node = async (name: string, options: JoinOptions): Promise<Fabric> =>
  using(await join("shop", { name, listen: HERE, discovery: [], ...options }))

/** Two nodes with nothing but a bad network between them: `b` dials `a`. */
export const pair = async (options: JoinOptions = {}): Promise<{ a: Fabric; b: Fabric; network: Network }> => {
  const network = await Network.open()
  const a = await node("a", { advertise: [network.endpoint], ...options })
  network.target = a.endpoints[0]
  const b = await node("b", { listen: [], discovery: [seeds([network.endpoint])], ...options })
  await a.ready({ peers: 1 })
  return { a, b, network }
}

export const numbersOf = async (fabric: Fabric, subject: string): Promise<number[]> => {
  const got: number[] = []
  await fabric.subscribe<string>(subject, message => void got.push(message.data as number)).ready
  return got
}

export const inOrder = (got: readonly number[], count: number): void => {
  for (let i = 0; i < got.length; i++) assert.equal(got[i], i, `at ${i} of ${got.length}`)
  assert.equal(got.length, count)
}

export const gapsOf = (fabric: Fabric): Gap[] => {
  const gaps: Gap[] = []
  fabric.events.on("gap", gap => void gaps.push(gap))
  return gaps
}

/** A stall of the link tells, as often as the link breaks. */
export const downsOf = (fabric: Fabric): string[] => {
  const downs: string[] = []
  fabric.events.on("down", ({ peer }) => void downs.push(peer.name))
  return downs
}

export const state = (fabric: Fabric): string => fabric.peers[0]?.state ?? "none"
