/** Lets tasks of one key run one after the other, in the order in which they came. */
export class Turns<Key> {
  private readonly last = new Map<Key, Promise<unknown>>()

  take<T>(key: Key, task: () => Promise<T>): Promise<T> {
    const turn = (this.last.get(key) ?? Promise.resolve()).then(task, task)
    const settled = turn.catch(() => {})
    this.last.set(key, settled)
    settled.then(() => {
      if (this.last.get(key) === settled) this.last.delete(key)
    })
    return turn
  }
}

type Waiting<Item, Result> = {
  item: Item
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/**
 * Groups what waits: while one group is being written, all that comes for the same key waits for the next one. So many
 * small writers share the cost of a commit, and each still hears of its own when it is durable.
 */
export class Groups<Key, Item, Result> {
  private readonly waiting = new Map<Key, Waiting<Item, Result>[]>()
  private readonly write: (key: Key, items: Item[]) => Promise<Result[]>

  /** @param write writes all or nothing, in one turn; resolves with a result an item */
  constructor(write: (key: Key, items: Item[]) => Promise<Result[]>) {
    this.write = write
  }

  add(key: Key, item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      const queue = this.waiting.get(key)
      if (queue !== undefined) {
        queue.push({ item, resolve, reject })
        return
      }
      this.waiting.set(key, [{ item, resolve, reject }])
      // After the input of this turn of the event loop, so that what came together goes together.
      setImmediate(() => this.drain(key))
    })
  }

  private async drain(key: Key): Promise<void> {
    while (true) {
      const group = this.waiting.get(key) as Waiting<Item, Result>[]
      if (group.length === 0) {
        this.waiting.delete(key)
        return
      }
      this.waiting.set(key, [])
      try {
        const results = await this.write(
          key,
          group.map(({ item }) => item),
        )
        group.forEach(({ resolve }, k) => {
          resolve(results[k])
        })
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
  }
}
