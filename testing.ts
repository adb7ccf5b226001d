/**
 * `heddle/testing`: a simulated network for the tests of programs that use Heddle, and its parts for tests of engines
 * that take their time and their network from outside.
 */
export type { Clock, Timer } from "./transports/simulated/clock.ts"
export type { BurstLoss, Conditions } from "./transports/simulated/conditions.ts"
export { SimulatedHost } from "./transports/simulated/host.ts"
export { type NetworkOptions, SimulatedNetwork } from "./transports/simulated/network.ts"
export type { Path, Traffic } from "./transports/simulated/path.ts"
export { SeededRandom } from "./transports/simulated/random.ts"
export { RealClock } from "./transports/simulated/real-clock.ts"
export {
  type HostOfSimulation,
  type Simulation,
  type SimulationOptions,
  simulate,
} from "./transports/simulated/simulate.ts"
export { VirtualClock, type VirtualClockOptions } from "./transports/simulated/virtual-clock.ts"
