import { type Fabric, type JoinOptions, join, seeds } from "../../../index.ts"
import { type HostOfSimulation, type Simulation, simulate } from "../../../testing.ts"
import { later } from "../../support/cleanup.ts"

/** Two nodes on hosts of a simulated network, in virtual time. `near` was there first, `far` dials it. */
export interface SimulatedPair {
  readonly net: Simulation
  readonly near: Fabric
  readonly far: Fabric
  readonly hosts: readonly [HostOfSimulation, HostOfSimulation]
  /** Nothing passes for so many milliseconds; then both are linked again, and have said what they want. */
  away(milliseconds: number): Promise<void>
}

/** `window`: milliseconds for which links are kept. */
export async function simulatedPair(
  window: number,
  options: JoinOptions = {},
  farther = options,
): Promise<SimulatedPair> {
  const net = simulate({ seed: 1, time: "virtual", delay: [5, 5] })
  const hosts = [net.host("near"), net.host("far")] as const
  const enter = (host: HostOfSimulation, more: JoinOptions): Promise<Fabric> =>
    net.until(
      join("pair", {
        name: host.name,
        context: host.context,
        discovery: host === hosts[0] ? [] : [seeds(["tcp://near:7000"])],
        listen: "tcp://*:7000",
        resume: { time: window },
        // It would look for answers in real time.
        busyPoll: 0,
        ...more,
      }),
    )
  const near = await enter(hosts[0], options)
  const far = await enter(hosts[1], farther)
  later(async () => {
    await net.until(Promise.all([near.close(), far.close()]))
    await net.close()
  })
  await net.until(Promise.all([near.ready({ peers: 1 }), far.ready({ peers: 1 })]))
  return {
    net,
    near,
    far,
    hosts,
    async away(milliseconds) {
      net.partition([hosts[0]], [hosts[1]])
      hosts[0].reset()
      await net.run(milliseconds)
      net.heal()
      await net.until(Promise.all([near.ready({ peers: 1 }), far.ready({ peers: 1 })]))
      await net.run(1_000)
    },
  }
}
