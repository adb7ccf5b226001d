import {
  Client,
  credentials,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
} from "@grpc/grpc-js"
import type { Arguments } from "../../task.ts"
import { apiRoles } from "../api/roles.ts"
import { check, type StockReply, type StockRequest } from "../api/stock.ts"
import type { Technology } from "../api/technology.ts"
import type { Parent, Roles } from "../parent.ts"
import { versionOf } from "../version.ts"
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from "./protobuf.ts"

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  parent.result({ version: `@grpc/grpc-js ${versionOf("@grpc/grpc-js")}` })
}

const PATH = "/stock.Stock/Check"

/** What a .proto file would be compiled to. */
const service: ServiceDefinition = {
  check: {
    path: PATH,
    requestStream: false,
    responseStream: false,
    requestSerialize: encodeRequest,
    requestDeserialize: decodeRequest,
    responseSerialize: encodeReply,
    responseDeserialize: decodeReply,
  },
}

const answer: handleUnaryCall<StockRequest, StockReply> = ({ request }, respond) => respond(null, check(request))

function ask(client: Client, request: StockRequest): Promise<StockReply> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(PATH, encodeRequest, decodeReply, request, (error, reply) => {
      if (error) reject(error)
      else if (reply) resolve(reply)
      else reject(new Error("neither an error nor a reply"))
    })
  })
}

/** gRPC without TLS: Protocol Buffers, unary calls on one channel, @grpc/grpc-js on both sides. */
const grpc: Technology = {
  async serve() {
    const server = new Server()
    server.addService(service, { check: answer })
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
        if (error) reject(error)
        else resolve(bound)
      })
    })
    return `127.0.0.1:${port}`
  },

  async dial(address) {
    const client = new Client(address, credentials.createInsecure())
    return { check: request => ask(client, request), close: async () => client.close() }
  },
}

export const roles: Roles = { hello, ...apiRoles(() => grpc) }
