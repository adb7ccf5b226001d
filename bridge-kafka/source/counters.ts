/** Of one source connector, since it was made. Numbers only go up. */
export class SourceCounters {
  /** Records that came from Kafka, and their bytes (keys and values). */
  records = 0
  bytes = 0
  /** Messages handed over (published) or acknowledged by a worker. */
  messages = 0
  /** Published while nobody was subscribed. */
  unwanted = 0
  /** Dropped at subscribers that could not keep up and have not the policy "block", as far as it was seen when it was published. */
  overrun = 0
  /** Records that transforms dropped. */
  filtered = 0
  /** Given to a worker again. */
  redelivered = 0
  /** Attempts of which no worker said anything within `ack.timeout.ms`. */
  ackTimeouts = 0
  /** Tried again after an error that time mends. */
  retries = 0
  deadLetters = 0
  /** Poison, dropped because no dead letters are configured. */
  dropped = 0
  commits = 0
  commitFailures = 0
  /** Partitions gained, given up, and lost without a word. */
  assigned = 0
  revoked = 0
  lost = 0
  /** Times that partitions were paused because too much was outstanding. */
  pauses = 0
  /** Consumers made anew after an error, and those of them because the watchdog saw no progress. */
  restarts = 0
  stalls = 0
}
