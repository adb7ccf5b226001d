/** Gains and the factor of RFC 6298, section 2, here for repairs. */
const MEAN_GAIN = 1 / 8
const VARIANCE_GAIN = 1 / 4
const DEVIATIONS = 4

/** What a repair takes, from the NAK on: mean and deviation, as TCP reckons its round trip. Milliseconds. */
export class RepairTime {
  /** 0 = not known. */
  mean = 0
  private deviation = 0

  add(sample: number): void {
    if (this.mean === 0) {
      this.mean = sample
      this.deviation = sample / 2
      return
    }
    this.deviation += VARIANCE_GAIN * (Math.abs(this.mean - sample) - this.deviation)
    this.mean += MEAN_GAIN * (sample - this.mean)
  }

  /** Hardly any takes longer. */
  get most(): number {
    return this.mean + DEVIATIONS * this.deviation
  }
}
