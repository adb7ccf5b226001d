/**
 * Who has which name in which thread of the process. The threads need not know each other: they talk on a channel that
 * all of them hear. One directory a thread, opened when a transport has a name to offer or to look for.
 */
import { randomUUID } from "node:crypto"
import {
  BroadcastChannel,
  isMainThread,
  MessageChannel,
  type MessagePort,
  postMessageToThread,
  receiveMessageOnPort,
  threadId,
} from "node:worker_threads"
import type { HelloPost } from "./meeting.ts"

/** Part of the name is the version of what is said there. */
const CHANNEL = "heddle.inproc.1"
/** Milliseconds that a new name waits for threads that are known to say whether they have it; an idle one needs 0.1. */
const OBJECTION_WAIT = 250
/** Milliseconds after which the threads that were there before are known. Each new thread pays them at its first name. */
const CENSUS_WAIT = 20
/** Milliseconds until a thread that does not take its messages counts as gone. */
const DELIVERY_WAIT = 5_000

/** Tells this copy of the module from others in the same thread (two versions of the package, say). */
const COPY = randomUUID()

let residents = 0

export function newResidentId(): string {
  return `${COPY} ${++residents}`
}

/** A transport instance somewhere in the process. */
export interface Place {
  readonly thread: number
  readonly resident: string
}

/** What a caller brings to a listener in another thread. */
export interface Invitation {
  readonly resident: string
  readonly name: string
  readonly hello: HelloPost
  readonly memory: SharedArrayBuffer
  readonly capacity: number
  readonly port: MessagePort
}

/** A transport instance, as its thread's directory sees it. */
export interface Resident {
  readonly id: string
  /** Instances of different scopes do not see each other. */
  readonly scope: string
  holds(name: string): boolean
  /** Another thread has `name`. */
  found(name: string, place: Place): void
  invited(invitation: Invitation): void
  /** Too late to refuse it: a name of ours is bound in another thread too. */
  contested(name: string, thread: number): void
}

interface Word extends Place {
  readonly kind: "hello" | "here" | "seek" | "bound" | "claim" | "free" | "taken"
  readonly scope: string
  readonly name: string
  /** The thread that is answered; -1 = everybody. */
  readonly to: number
}

interface Claim {
  readonly resident: Resident
  readonly name: string
  /** Threads that have not answered. */
  readonly asked: Set<number>
  readonly settle: (won: boolean) => void
}

/** How the directory's invitations are told from other uses of `postMessageToThread`. */
const MARK = "heddle:inproc"

class Directory {
  private readonly channel = new BroadcastChannel(CHANNEL)
  private readonly residents = new Map<string, Resident>()
  private readonly claims = new Set<Claim>()
  /** Threads that were heard of and did not fall silent. */
  private readonly neighbours = new Set<number>()
  private readonly opened = performance.now()

  constructor() {
    this.channel.onmessage = (event: { data: unknown }) => this.hear(event.data as Word)
    this.channel.unref()
    // First in line: a listener of the user that throws at a message it does not know must not keep it from us.
    process.prependListener("workerMessage", (value: unknown) => this.invited(value))
    this.say("hello", "", "", "")
  }

  enter(resident: Resident): void {
    this.residents.set(resident.id, resident)
  }

  leave(resident: Resident): void {
    this.residents.delete(resident.id)
  }

  /** Resolves with false when another thread has the name. */
  claim(resident: Resident, name: string): Promise<boolean> {
    return new Promise(resolve => {
      const claim: Claim = {
        resident,
        name,
        asked: new Set(this.neighbours),
        settle: won => {
          clearTimeout(census)
          clearTimeout(patience)
          this.claims.delete(claim)
          resolve(won)
        },
      }
      this.claims.add(claim)
      this.say("claim", resident.scope, name, resident.id)
      // Not unref'd: the caller awaits them.
      const census = setTimeout(() => this.judge(claim), CENSUS_WAIT + 1)
      const patience = setTimeout(() => {
        // Busy or dead. It counts again when it is heard of; until then nobody waits for it.
        for (const thread of claim.asked) this.neighbours.delete(thread)
        claim.settle(true)
      }, OBJECTION_WAIT)
      this.judge(claim)
    })
  }

  /** That thread has ended. */
  forget(thread: number): void {
    this.neighbours.delete(thread)
    for (const claim of this.claims) {
      claim.asked.delete(thread)
      this.judge(claim)
    }
  }

  announce(resident: Resident, name: string): void {
    this.say("bound", resident.scope, name, resident.id)
  }

  seek(resident: Resident, name: string): void {
    this.say("seek", resident.scope, name, resident.id)
  }

  /** False = that thread is gone. */
  async invite(place: Place, invitation: Invitation): Promise<boolean> {
    try {
      await postMessageToThread(place.thread, { [MARK]: invitation }, [invitation.port], DELIVERY_WAIT)
      return true
    } catch (error) {
      // A listener of the user's threw after ours had taken it.
      return (error as { code?: string }).code === "ERR_WORKER_MESSAGING_ERRORED"
    }
  }

  private say(kind: Word["kind"], scope: string, name: string, resident: string, to = -1): void {
    this.channel.postMessage({ kind, scope, name, thread: threadId, resident, to } satisfies Word)
  }

  private hear(word: Word): void {
    const { kind, scope, name, thread, resident, to } = word
    // Instances of one thread are kept apart; they never meet here.
    if (thread === threadId) return
    this.neighbours.add(thread)
    if (to !== -1 && to !== threadId) return
    // It was there before us: what we asked in the meantime it has heard, and will answer.
    if (kind === "here") for (const claim of this.claims) claim.asked.add(thread)
    else if (kind === "hello") this.say("here", "", "", "", thread)
    else if (kind === "seek") this.answerSeek(scope, name)
    else if (kind === "claim") this.answerClaim(word)
    else if (kind === "free" || kind === "taken") this.answered(word)
    else if (kind === "bound") {
      for (const one of this.residents.values()) if (one.scope === scope) one.found(name, { thread, resident })
    }
  }

  private answerSeek(scope: string, name: string): void {
    for (const one of this.residents.values()) {
      if (one.scope === scope && one.holds(name)) this.say("bound", scope, name, one.id)
    }
  }

  private answerClaim({ scope, name, thread, resident }: Word): void {
    let taken = false
    for (const one of this.residents.values()) if (one.scope === scope && one.holds(name)) taken = true
    for (const claim of this.claims) {
      if (claim.name !== name || claim.resident.scope !== scope) continue
      // Two threads want it at once: the older one gets it.
      if (threadId < thread) taken = true
      else claim.settle(false)
    }
    this.say(taken ? "taken" : "free", scope, name, resident, thread)
  }

  /** `resident` is ours here: whoever answers sends back what was asked. */
  private answered({ kind, scope, name, thread, resident }: Word): void {
    for (const claim of this.claims) {
      if (claim.name !== name || claim.resident.id !== resident) continue
      if (kind === "taken") claim.settle(false)
      else {
        claim.asked.delete(thread)
        this.judge(claim)
      }
      return
    }
    const ours = this.residents.get(resident)
    if (kind === "taken" && ours?.scope === scope && ours.holds(name)) ours.contested(name, thread)
  }

  /** Wins when everybody has answered and everybody is known. */
  private judge(claim: Claim): void {
    if (claim.asked.size === 0 && (alone() || performance.now() - this.opened > CENSUS_WAIT)) claim.settle(true)
  }

  private invited(value: unknown): void {
    if (typeof value !== "object" || value === null || !(MARK in value)) return
    const invitation = value[MARK] as Invitation
    if (!invitation.resident.startsWith(COPY)) return
    const resident = this.residents.get(invitation.resident)
    if (resident === undefined) invitation.port.close()
    else resident.invited({ ...invitation, port: eventPort(invitation.port) })
  }
}

/**
 * The port with Node's events. Deno 2.9 hands out those of `postMessageToThread` without them (no `on`, and no word when the
 * other end is gone), but not those that come through a channel.
 */
function eventPort(port: MessagePort): MessagePort {
  if (typeof port.on === "function") return port
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(port, [port])
  const received = receiveMessageOnPort(port2)?.message as MessagePort
  port1.close()
  return received
}

export type { Directory }

let watching = false
let workers = 0

/**
 * Counts the workers that this thread starts from now on, so that a thread that never had company need not wait for
 * objections, and notices their end, so that nobody waits for the dead.
 */
export function watchForWorkers(): void {
  if (watching) return
  watching = true
  process.on("worker", worker => {
    workers++
    const thread = worker.threadId
    worker.once("exit", () => directory?.forget(thread))
  })
}

function alone(): boolean {
  return isMainThread && workers === 0
}

let directory: Directory | undefined

/** This thread's. Opening it takes some tenths of a millisecond, once. */
export function openDirectory(): Directory {
  directory ??= new Directory()
  return directory
}
