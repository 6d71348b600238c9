/** Corners a_1, b_1, a_2, b_2, … of a convex polygon, counter-clockwise. */
export type Polygon = number[]

/** The part of a polygon where p·a + q·b + r ≥ 0; null where that is all of it. */
export function cut(polygon: Polygon, p: number, q: number, r: number): Polygon | null {
  const kept: number[] = []
  let all = true
  const size = polygon.length
  for (let k = 0; k < size; k += 2) {
    const next = (k + 2) % size
    const [a, b, c, d] = [polygon[k], polygon[k + 1], polygon[next], polygon[next + 1]]
    const from = p * a + q * b + r
    const to = p * c + q * d + r
    if (from >= 0) kept.push(a, b)
    else all = false
    if ((from > 0 && to < 0) || (from < 0 && to > 0)) {
      const part = from / (from - to)
      kept.push(a + part * (c - a), b + part * (d - b))
    }
  }
  return all ? null : kept
}

/** The area of a polygon. */
export function areaOf(polygon: Polygon): number {
  let twice = 0
  for (let k = 0; k < polygon.length; k += 2) {
    const next = (k + 2) % polygon.length
    // From the first corner, so that what is small is the difference of small numbers.
    const [a, b] = [polygon[k] - polygon[0], polygon[k + 1] - polygon[1]]
    const [c, d] = [polygon[next] - polygon[0], polygon[next + 1] - polygon[1]]
    twice += a * d - b * c
  }
  return Math.max(0, twice / 2)
}
