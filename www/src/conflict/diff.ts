/** A stretch of two texts: in both, in the first one only, or in the second one only. */
export interface Stretch {
  readonly text: string
  readonly in: 'both' | 'before' | 'after'
}

/** Beyond this many words on one side the quadratic table below is not worth its time: the texts are shown whole. */
const WORDS_MAX = 600

/** Two texts that have less of this in common are easier to read whole. */
const COMMON_MIN = 0.35

/**
 * What differs between two texts, word by word: their longest common subsequence. `null` where they have so little in common that
 * marks would only be in the way.
 */
export function difference(before: string, after: string): readonly Stretch[] | null {
  const [a, b] = [words(before), words(after)]
  if (a.length === 0 || b.length === 0 || a.length > WORDS_MAX || b.length > WORDS_MAX) return null
  const wide = b.length + 1
  // common[i * wide + j]: how much a from i on and b from j on have in common.
  const common = new Uint16Array((a.length + 1) * wide)
  const at = (i: number, j: number) => common[i * wide + j] ?? 0
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      common[i * wide + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  if (at(0, 0) / Math.max(a.length, b.length) < COMMON_MIN) return null

  const stretches: { text: string; in: Stretch['in'] }[] = []
  const add = (text: string, where: Stretch['in']) => {
    const last = stretches.at(-1)
    if (last?.in === where) last.text += text
    else stretches.push({ text, in: where })
  }
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add(a[i] as string, 'both')
      i += 1
      j += 1
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1))) {
      add(a[i] as string, 'before')
      i += 1
    } else {
      add(b[j] as string, 'after')
      j += 1
    }
  }
  return stretches
}

/** Words, and what stands between them. */
function words(text: string): readonly string[] {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? []
}
