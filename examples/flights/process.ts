/** One process of the fabric: what it does is its first argument. */
import { publisher } from "./publisher.ts"
import type { Task } from "./roles.ts"
import { service } from "./service.ts"
import { subscriber } from "./subscriber.ts"
import { worker } from "./worker.ts"

const task = JSON.parse(process.argv[2]) as Task
switch (task.role) {
  case "publisher":
    await publisher(task)
    break
  case "subscriber":
    await subscriber(task)
    break
  case "worker":
    await worker(task)
    break
  case "service":
    await service(task)
}
