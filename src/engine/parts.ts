/** Told which part of some work is done, from 0 to 1, ever more of it. */
export type Done = (fraction: number) => void

/** Nobody is told. */
export const untold: Done = () => {}

/** Has work that is done in so many parts, one after the other, told as one: gives what each of them tells, by its place. */
export function inParts(count: number, done: Done): (part: number) => Done {
  return (part) => (fraction) => done((part + fraction) / count)
}
