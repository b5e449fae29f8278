/** What a heap orders: the key to order by, and the place that the heap keeps up to date (-1 while in none). */
export interface HeapItem {
  key: number;
  place: number;
}

/**
 * Binary heap with the smallest key first, from which any item can be taken out in O(log n).
 *
 * Set `key` before `push`, and do not change it while the item is inside. An item is in at most one heap.
 */
export class Heap<Item extends HeapItem> {
  readonly #items: Item[] = [];

  peek(): Item | undefined {
    return this.#items[0];
  }

  push(item: Item): void {
    item.place = this.#items.length;
    this.#items.push(item);
    this.#rise(item);
  }

  /** Takes an item out; one that is not inside is left alone. */
  remove(item: Item): void {
    const place = item.place;
    if (this.#items[place] !== item) return;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    last.place = place;
    this.#items[place] = last;
    this.#rise(last);
    this.#sink(last);
  }

  #rise(item: Item): void {
    while (item.place > 0) {
      const parent = this.#items[(item.place - 1) >> 1];
      if (parent === undefined || parent.key <= item.key) return;
      this.#swap(item, parent);
    }
  }

  #sink(item: Item): void {
    for (;;) {
      const left = this.#items[2 * item.place + 1];
      const right = this.#items[2 * item.place + 2];
      const child = left !== undefined && right !== undefined && right.key < left.key ? right : left;
      if (child === undefined || child.key >= item.key) return;
      this.#swap(item, child);
    }
  }

  #swap(one: Item, other: Item): void {
    const place = one.place;
    one.place = other.place;
    other.place = place;
    this.#items[one.place] = one;
    this.#items[other.place] = other;
  }
}
