const FINEST = 20
const MOST_POINTS = 250

/**
 * Weights spread evenly over the simplex: all (k_1, …, k_G)/m with whole k that sum to m, for the finest m up to 20
 * that keeps them to 250, or to the G corners. In order from the last group's corner to the first's.
 */
export function simplexLattice(groups: number): Float64Array[] {
  let divisions = 1
  while (divisions < FINEST && latticeSize(groups, divisions + 1) <= MOST_POINTS) divisions++
  const points: Float64Array[] = []
  const point = new Float64Array(groups)
  const place = (g: number, left: number) => {
    if (g === groups - 1) {
      point[g] = left / divisions
      points.push(point.slice())
      return
    }
    for (let k = 0; k <= left; k++) {
      point[g] = k / divisions
      place(g + 1, left - k)
    }
  }
  place(0, divisions)
  return points
}

/** C(m + G − 1, G − 1). */
function latticeSize(groups: number, divisions: number): number {
  let size = 1
  for (let k = 1; k < groups; k++) size = (size * (divisions + k)) / k
  return size
}
