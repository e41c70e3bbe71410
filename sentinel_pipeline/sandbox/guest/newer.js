// Library functions younger than the engine (ES2022 to ES2025), as the language defines them for ordinary values.
(function () {
  "use strict";
  const index = (size, at) => {
    const whole = Math.trunc(at) || 0;
    return whole < 0 ? size + whole : whole;
  };
  const define = (target, methods) => {
    for (const name of Object.keys(methods)) {
      if (name in target) continue;
      Object.defineProperty(target, name, { value: methods[name], writable: true, enumerable: false, configurable: true });
    }
  };
  define(Array.prototype, {
    at(at) { return this[index(this.length, at)]; },
    findLast(test, self) {
      for (let at = this.length - 1; at >= 0; at--) if (test.call(self, this[at], at, this)) return this[at];
      return undefined;
    },
    findLastIndex(test, self) {
      for (let at = this.length - 1; at >= 0; at--) if (test.call(self, this[at], at, this)) return at;
      return -1;
    },
    toReversed() { return Array.from(this).reverse(); },
    toSorted(order) { return Array.from(this).sort(order); },
    toSpliced(...change) {
      const copy = Array.from(this);
      copy.splice(...change);
      return copy;
    },
    with(at, value) {
      const place = index(this.length, at), copy = Array.from(this);
      if (place < 0 || place >= copy.length) throw new RangeError("Invalid index");
      copy[place] = value;
      return copy;
    },
  });
  define(String.prototype, {
    at(at) {
      const place = index(this.length, at);
      return place < 0 || place >= this.length ? undefined : this.charAt(place);
    },
  });
  define(Object, {
    hasOwn(value, name) { return Object.prototype.hasOwnProperty.call(value, name); },
    groupBy(items, choose) {
      const groups = Object.create(null);
      let at = 0;
      for (const item of items) (groups[choose(item, at++)] ??= []).push(item);
      return groups;
    },
  });
  define(Map, {
    groupBy(items, choose) {
      const groups = new Map();
      let at = 0;
      for (const item of items) {
        const key = choose(item, at++);
        groups.has(key) ? groups.get(key).push(item) : groups.set(key, [item]);
      }
      return groups;
    },
  });
  define(Set.prototype, {
    union(other) { return new Set([...this, ...other.keys()]); },
    intersection(other) { return new Set([...this].filter((item) => other.has(item))); },
    difference(other) { return new Set([...this].filter((item) => !other.has(item))); },
    symmetricDifference(other) {
      return new Set([...[...this].filter((item) => !other.has(item)), ...[...other.keys()].filter((item) => !this.has(item))]);
    },
    isSubsetOf(other) { return [...this].every((item) => other.has(item)); },
    isSupersetOf(other) { return [...other.keys()].every((item) => this.has(item)); },
    isDisjointFrom(other) { return [...this].every((item) => !other.has(item)); },
  });
  const copied = (value, seen) => {
    if (typeof value === "function" || typeof value === "symbol") throw new TypeError("value could not be cloned");
    if (value === null || typeof value !== "object") return value;
    if (seen.has(value)) return seen.get(value);
    const empty = Array.isArray(value) ? [] : value instanceof Date ? new Date(value.getTime())
      : value instanceof Map ? new Map() : value instanceof Set ? new Set() : {};
    seen.set(value, empty);
    if (empty instanceof Map) value.forEach((item, key) => empty.set(copied(key, seen), copied(item, seen)));
    else if (empty instanceof Set) value.forEach((item) => empty.add(copied(item, seen)));
    else for (const name of Object.keys(value)) empty[name] = copied(value[name], seen);
    return empty;
  };
  define(globalThis, { structuredClone(value) { return copied(value, new Map()); } });
})()
