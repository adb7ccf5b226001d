/** What a match found: the answer and the reference of each pattern. Used again and again; its lists never shrink. */
export class SubjectHits {
  count = 0
  readonly answers: number[] = []
  readonly references: number[] = []

  push(answer: number, reference: number): void {
    this.answers[this.count] = answer
    this.references[this.count++] = reference
  }
}
