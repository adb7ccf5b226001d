/** Gains and the factor of RFC 6298, section 2, here for repairs. */
const MEAN_GAIN = 1 / 8
const VARIANCE_GAIN = 1 / 4
const DEVIATIONS = 4
/** Milliseconds in which what was measured loses most of its weight: these gains are for a sample in each round trip. */
const FADES = 200

/** What a repair takes, from the NAK on: mean and deviation, as TCP reckons its round trip. Milliseconds. */
export class RepairTime {
  /** 0 = not known. */
  mean = 0
  private deviation = 0
  private at = 0

  add(sample: number, now: number): void {
    const faded = 1 - Math.exp((this.at - now) / FADES)
    this.at = now
    if (this.mean === 0) {
      this.mean = sample
      this.deviation = sample / 2
      return
    }
    this.deviation += Math.max(VARIANCE_GAIN, faded) * (Math.abs(this.mean - sample) - this.deviation)
    this.mean += Math.max(MEAN_GAIN, faded) * (sample - this.mean)
  }

  /** Hardly any takes longer. */
  get most(): number {
    return this.mean + DEVIATIONS * this.deviation
  }
}
