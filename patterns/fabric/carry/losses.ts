/** Messages sent again by link in one probe time: as many are no accident when they are more than those that came. */
const MANY = 100

/** Whether a group loses more than it brings: then it costs more than it saves. Judged once in each probe time. */
export class Losses {
  private readonly probe: number
  private ends = 0
  private arrived = 0
  private repaired = 0

  constructor(probe: number) {
    this.probe = probe
  }

  begin(now: number): void {
    this.ends = now + this.probe
    this.arrived = 0
    this.repaired = 0
  }

  note(count: number, byLink: boolean): void {
    if (byLink) this.repaired += count
    else this.arrived += count
  }

  tooMany(now: number): boolean {
    if (now < this.ends) return false
    const found = this.repaired > MANY && this.repaired > this.arrived
    this.begin(now)
    return found
  }
}
