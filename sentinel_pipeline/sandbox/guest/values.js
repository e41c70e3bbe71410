// Values as tagged JSON, the same on both sides: encode(value, limit, handle) -> text, decode(node, handle) -> value.
// null, booleans, strings and numbers are themselves, arrays are arrays, and one key tags all else: "u" undefined, "n" NaN,
// the infinities and -0, "b" BigInt, "d" Date, "o" plain object, "N" one without prototype, "m" Map, "s" Set, "A" array with
// keys of its own, "x" a hole, "h" what has no plain form. What encoding calls is taken here, before a candidate can replace it.
(function () {
  "use strict";
  const { apply, getPrototypeOf, defineProperty, ownKeys, getOwnPropertyDescriptor } = Reflect;
  const { stringify, parse } = JSON;
  const { isArray } = Array;
  const { keys: keysOf, is } = Object;
  const hasOwn = Object.prototype.hasOwnProperty;
  const roots = { object: Object.prototype, array: Array.prototype, map: Map.prototype, set: Set.prototype, date: Date.prototype };
  const mapEach = Map.prototype.forEach, setEach = Set.prototype.forEach, dateTime = Date.prototype.getTime;
  const MAX_DEPTH = 100;
  const TOO_DEEP = { why: "too deep" }, TOO_LONG = { why: "too long" };

  function encode(value, limit, handle) {
    let left = limit;
    const spend = (text) => {
      left -= text.length;
      if (left < 0) throw TOO_LONG;
      return text;
    };
    const own = (value, name) => apply(hasOwn, value, [name]);

    function number(value) {
      if (value !== value) return '{"n":"NaN"}';
      if (is(value, -0)) return '{"n":"-0"}';
      if (value - value !== 0) return value > 0 ? '{"n":"Infinity"}' : '{"n":"-Infinity"}';
      return `${value}`;
    }

    function items(value, depth) {
      const size = value.length;
      let text = "", holes = 0;
      for (let at = 0; at < size; at++) {
        const item = value[at];
        const hole = item === undefined && !own(value, at);
        holes += hole ? 1 : 0;
        text += (at ? spend(",") : "") + (hole ? spend('{"x":0}') : node(item, depth));
      }
      return [`[${text}]`, size - holes];
    }

    function array(value, depth) {
      const [text, count] = items(value, depth);
      const names = keysOf(value);
      return names.length === count ? text : `{"A":[${text},${pairs(value, names, count, depth)}]}`;
    }

    function pairs(value, names, from, depth) {
      let text = "";
      for (let at = from; at < names.length; at++) {
        text += `${at > from ? "," : ""}[${spend(stringify(names[at]))},${node(value[names[at]], depth)}]`;
        spend("[,]");
      }
      return `[${text}]`;
    }

    function members(value, each, isMap, depth) {
      let text = "";
      apply(each, value, [(item, key) => {
        const shown = isMap ? `[${node(key, depth)},${node(item, depth)}]` : node(item, depth);
        text += (text ? "," : "") + shown;
        spend(isMap ? "[,]" : ",");
      }]);
      return `[${text}]`;
    }

    function hasSymbols(value) {
      const names = ownKeys(value);
      for (let at = names.length - 1; at >= 0 && typeof names[at] === "symbol"; at--) {
        if (getOwnPropertyDescriptor(value, names[at])?.enumerable) return true;
      }
      return false;
    }

    function object(value, depth) {
      const root = getPrototypeOf(value);
      if (depth > MAX_DEPTH) throw TOO_DEEP;
      if (isArray(value)) return root === roots.array ? array(value, depth + 1) : handle(value);
      if (root === roots.object || root === null) {
        return hasSymbols(value) ? handle(value) : `{"${root ? "o" : "N"}":${pairs(value, keysOf(value), 0, depth + 1)}}`;
      }
      try {
        if (root === roots.map) return `{"m":${members(value, mapEach, true, depth + 1)}}`;
        if (root === roots.set) return `{"s":${members(value, setEach, false, depth + 1)}}`;
        if (root === roots.date) return `{"d":${stringify(apply(dateTime, value, []))}}`;
      } catch (error) {
        if (error === TOO_DEEP || error === TOO_LONG) throw error;
      }
      return handle(value);
    }

    function node(value, depth) {
      if (value === null) return spend("null");
      switch (typeof value) {
        case "string": return spend(stringify(value));
        case "number": return spend(number(value));
        case "boolean": return spend(value ? "true" : "false");
        case "undefined": return spend('{"u":0}');
        case "bigint": return spend(`{"b":"${value}"}`);
        case "object": spend("{}"); return object(value, depth);
        default: spend("{}"); return handle(value);
      }
    }
    return node(value, 0);
  }

  const SPECIAL = { "NaN": NaN, "-0": -0, "Infinity": Infinity, "-Infinity": -Infinity };

  function decode(node, handle) {
    if (node === null || typeof node !== "object") return node;
    if (isArray(node)) return list(node, handle);
    const tag = keysOf(node)[0], content = node[tag];
    switch (tag) {
      case "u": return undefined;
      case "n": return SPECIAL[content];
      case "b": return BigInt(content);
      case "d": return new Date(content === null ? NaN : content);
      case "o": return put({}, content, handle);
      case "N": return put(Object.create(null), content, handle);
      case "m": return new Map(content.map(([key, item]) => [decode(key, handle), decode(item, handle)]));
      case "s": return new Set(content.map((item) => decode(item, handle)));
      case "A": return put(list(content[0], handle), content[1], handle);
      case "h": return handle(content);
    }
    throw new Error("unknown tag");
  }

  function list(node, handle) {
    for (let at = 0; at < node.length; at++) {
      const item = node[at];
      if (item === null || typeof item !== "object") continue;
      if (own(item, "x")) delete node[at];
      else node[at] = decode(item, handle);
    }
    return node;
  }

  function own(item, name) {
    return apply(hasOwn, item, [name]);
  }

  function put(target, pairs, handle) {
    for (let at = 0; at < pairs.length; at++) {
      const value = decode(pairs[at][1], handle);
      defineProperty(target, pairs[at][0], { value, writable: true, enumerable: true, configurable: true });
    }
    return target;
  }

  // Give `before` the content of `after` in place, where both are containers of one kind.
  function change(before, after) {
    const kind = (value) => (isArray(value) ? roots.array : value && typeof value === "object" ? getPrototypeOf(value) : null);
    if (kind(before) === null || kind(before) !== kind(after)) return after;
    if (before instanceof Map) {
      const kept = new Map(before);
      before.clear();
      after.forEach((item, key) => before.set(key, change(kept.get(key), item)));
    } else if (before instanceof Set) {
      before.clear();
      after.forEach((item) => before.add(item));
    } else if (before instanceof Date) {
      before.setTime(after.getTime());
    } else if (kind(before) === roots.object || kind(before) === roots.array) {
      keysOf(before).forEach((name) => own(after, name) || delete before[name]);
      if (isArray(before)) before.length = after.length;
      keysOf(after).forEach((name) => {
        const value = change(own(before, name) ? before[name] : undefined, after[name]);
        defineProperty(before, name, { value, writable: true, enumerable: true, configurable: true });
      });
    }
    return before;
  }

  return { encode, decode, change, parse, stringify, TOO_DEEP, TOO_LONG };
})()
