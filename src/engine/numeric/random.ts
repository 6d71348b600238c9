/** A stream of numbers, uniform in [0, 1). */
export type Random = () => number

/**
 * A seeded stream: SplitMix32 (Steele, Lea & Flood, OOPSLA 2014, with 32-bit constants), two draws to a number so that
 * all 53 bits of a double vary. The same seed gives the same stream on every machine.
 */
export function seededRandom(seed: number): Random {
  let state = seed | 0
  const draw = () => {
    state = (state + 0x9e3779b9) | 0
    let bits = state ^ (state >>> 16)
    bits = Math.imul(bits, 0x21f0aaad)
    bits ^= bits >>> 15
    bits = Math.imul(bits, 0x735a2d97)
    return (bits ^ (bits >>> 15)) >>> 0
  }
  return () => (draw() * 2 ** 21 + (draw() >>> 11)) / 2 ** 53
}

/** Fills `point` with a point drawn uniformly from the simplex: exponentials, normalised. */
export function drawFromSimplex(random: Random, point: Float64Array): void {
  let sum = 0
  for (let k = 0; k < point.length; k++) {
    point[k] = -Math.log1p(-random())
    sum += point[k]
  }
  for (let k = 0; k < point.length; k++) point[k] /= sum
}

/** A draw from N(0, 1) (Box & Muller, Ann. Math. Statist. 29, 1958). */
export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log1p(-random())) * Math.cos(2 * Math.PI * random())
}
