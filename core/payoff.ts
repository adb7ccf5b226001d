/**
 * Whether it pays to look for news instead of sleeping: it does when the other side answers soon and from another processor,
 * and harms when it takes long or waits for ours. What came of it is averaged over about eight times (0 = always in vain,
 * 64 = never); below half it is tried once in so many.
 */
const WORTH_IT = 32
const TRY_AGAIN = 16
const BEST = 64

export class Payoff {
  private fortune = BEST
  private refused = 0

  get pays(): boolean {
    return this.fortune >= WORTH_IT
  }

  /** True also now and then when it has not paid: things change. */
  get isWorthATry(): boolean {
    return this.fortune >= WORTH_IT || ++this.refused % TRY_AGAIN === 0
  }

  learn(found: boolean): void {
    if (found) this.fortune += (BEST + 7 - this.fortune) >> 3
    else this.fortune -= this.fortune >> 3
  }
}
