/** A microservice pair: starts server.ts and client.ts, each in a process of its own. Run: node dist/examples/microservices/main.js */
import { ended, ownFolder, show, start } from "../support/processes.ts"

ownFolder()
const server = show(start(new URL("./server.js", import.meta.url)))
const client = show(start(new URL("./client.js", import.meta.url)))

console.log(`the client ended with code ${await ended(client)}`)
server.kill("SIGTERM")
console.log(`the server ended with code ${await ended(server)}`)
