import type { Command } from "commander"
import { withFabric } from "../fabric/options.ts"
import { listPeers, type PeersFlags } from "../fabric/peers.ts"
import { withShared } from "../options.ts"
import { run } from "../run.ts"

export function addPeers(program: Command): void {
  const command = program
    .command("peers")
    .description("List the nodes of a fabric, or of all fabrics of this user on this machine.")
    .option("-w, --watch", "again each second, until it is ended")
    .option("--json", "a line of JSON for each fabric: {fabric, peers}")
  withFabric(withShared(command), "optional")
    .addHelpText(
      "after",
      `
LINK is up, down (messages are kept for it) or lapsed (they are counted only); MEMBER is what the nodes agree on:
alive, suspect, dead or left. WISHES are its subscriptions, servers and workers.

Examples:
  heddle peers
  heddle peers --fabric shop --watch
  heddle peers --fabric shop --seed tcp://10.0.0.7:7000 --json | jq '.peers[].name'`,
    )
    .action((flags: PeersFlags) =>
      run({ name: "peers", options: flags, progress: false }, job => listPeers(flags, job)),
    )
}
