/** Points of a front, as utilities of the groups: count × G, row-major. */
export type Points = { count: number; groups: number; utilities: Float64Array }

/** The different points among some, and which of them each one is. */
export type Distinct = { points: Points; classOf: Int32Array; sizes: Int32Array }

/** Collapses points that are the same number for number. */
export function distinctPoints({ count, groups, utilities }: Points): Distinct {
  const byText = new Map<string, number>()
  const classOf = new Int32Array(count)
  const first: number[] = []
  for (let k = 0; k < count; k++) {
    const text = utilities.subarray(k * groups, (k + 1) * groups).join()
    let found = byText.get(text)
    if (found === undefined) {
      found = first.length
      byText.set(text, found)
      first.push(k)
    }
    classOf[k] = found
  }
  const sizes = new Int32Array(first.length)
  for (const found of classOf) sizes[found]++
  const kept = new Float64Array(first.length * groups)
  first.forEach((k, c) => {
    kept.set(utilities.subarray(k * groups, (k + 1) * groups), c * groups)
  })
  return { points: { count: first.length, groups, utilities: kept }, classOf, sizes }
}

/** The points in units of so much per group, from the lowest of the front up; a group without a unit counts as indifferent. */
export function inUnits({ count, groups, utilities }: Points, units: Float64Array): Points {
  const low = new Float64Array(groups).fill(Number.POSITIVE_INFINITY)
  for (let k = 0; k < count; k++)
    for (let g = 0; g < groups; g++) low[g] = Math.min(low[g], utilities[k * groups + g])
  const scaled = new Float64Array(count * groups)
  for (let k = 0; k < count; k++) {
    for (let g = 0; g < groups; g++)
      if (units[g] > 0) scaled[k * groups + g] = (utilities[k * groups + g] - low[g]) / units[g]
  }
  return { count, groups, utilities: scaled }
}
