// The tests' side: stands for what the candidate defines, and node:assert as far as tests use it.
// Values that come back are plain data or a Remote, which equals nothing. Only trusted tests run here.
(function (values, ask, entryPoint) {
  "use strict";
  const { encode, decode, change, parse, stringify } = values;
  // Methods that take what the tests expect, or a function that does: an object that a call gave does not settle them.
  const COMBINING = new Set(["every", "some", "includes", "indexOf", "lastIndexOf", "find", "findIndex", "findLast",
    "findLastIndex", "forEach", "startsWith", "endsWith", "localeCompare", "hasOwnProperty", "propertyIsEnumerable",
    "isPrototypeOf"]);
  const remotes = new WeakMap(), callbacks = [], reasons = new WeakMap(), given = new WeakSet();
  const STOP = { stop: true };
  const LIMIT = 1 << 24, SHOWN = 120;
  const PENDING = {}, functionText = Function.prototype.toString;
  let last = null, listening = 0;

  class Unsendable extends Error {}

  // ---- the candidate's things ----
  function handle(value) {
    const target = typeof value === "function" || typeof value === "object" ? remotes.get(value) : undefined;
    if (target !== undefined) return `{"h":${stringify(target)}}`;
    if (typeof value !== "function") throw new Unsendable(`the tests hand over a ${Object.prototype.toString.call(value)}`);
    // In this engine a text of the program's would run as code of the tests'.
    if (/\beval\b|\bFunction\b|\.constructor\b/.test(functionText.call(value))) throw new Unsendable("the tests hand over eval");
    callbacks.push(value);
    return `{"h":{"c":${callbacks.length - 1}}}`;
  }

  const isRemote = (value) => (typeof value === "function" || (typeof value === "object" && value !== null)) && remotes.has(value);

  function request(action, target, args, name, self) {
    const text = encode(args, LIMIT, handle);
    const plain = !args.some((item) => typeof item === "object" && item !== null);
    last = { action, target, args: inspectAll(args), name, value: PENDING };
    const answer = parse(ask(stringify({ do: action, on: target, name, self, args: text, plain })));
    if (answer.stop) throw STOP;
    if (answer.w) {
      const after = decode(answer.w, remote);
      args.forEach((item, at) => change(item, after[at]));
    }
    if (answer.error) {
      last = null;
      throw thrown(answer.error);
    }
    const at = answer.i;
    const chosen = action === "new" || (action === "get" && typeof target === "string") || isChosen(self ?? target);
    const mine = chosen ? chosenRemote : remote;
    last.value = at === undefined ? decode(answer.v, mine) : args[at];
    if (at === undefined && typeof last.value === "object" && last.value !== null) given.add(last.value);
    return last.value;
  }

  const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  const isErrorClass = (value) => typeof value === "function" && !isRemote(value) && (value === Error || value.prototype instanceof Error);

  function thrown({ names, message, code, detail }) {
    const known = names.find((name) => Object.prototype.hasOwnProperty.call(ERRORS, name));
    const error = new (known ? ERRORS[known] : Error)(message);
    if (names.length && error.name !== names[0]) Object.defineProperty(error, "name", { value: names[0] });
    Object.defineProperty(error, "classes", { value: names });
    return noted(error, code, detail);
  }

  function noted(error, code, detail) {
    reasons.set(error, { code, detail });
    return error;
  }

  // What the tests made by `new`, or what comes of it: an object by their own deed. Numbers of the sample's handles.
  const chosenTargets = new Set();
  const isChosen = (target) => typeof target === "number" && chosenTargets.has(target);
  const chosenRemote = (target) => {
    chosenTargets.add(target);
    return remote(target);
  };
  const settles = (target, name) => typeof target === "number" && !isChosen(target) && COMBINING.has(name);

  function remote(target) {
    const proxy = new Proxy(function () {}.bind(null), {
      apply: (_, self, args) => request("call", target, args, undefined, isRemote(self) ? remotes.get(self) : undefined),
      construct: (_, args) => Object(request("new", target, args)),
      get: (_, name) => {
        if (typeof name === "symbol") return symbolic(target, name);
        return settles(target, name) ? undefined : request("get", target, [], name);
      },
      set: (_, name, value) => (typeof name === "symbol" ? false : (request("set", target, [value], name), true)),
      has: (_, name) => typeof name === "string" && isChosen(target) && request("has", target, [], name) === true,
      getPrototypeOf: () => null,
      getOwnPropertyDescriptor: () => undefined,
      ownKeys: () => { throw new TypeError("the keys of an object of the program cannot be listed"); },
      defineProperty: () => false,
      deleteProperty: () => false,
    });
    remotes.set(proxy, target);
    return proxy;
  }

  function symbolic(target, name) {
    if (name !== Symbol.toPrimitive) return undefined;
    return (hint) => {
      if (hint !== "string") throw new TypeError("an object of the program is not a primitive value");
      const method = request("get", target, [], "toString");
      return isRemote(method) ? request("call", remotes.get(method), [], undefined, target) : undefined;
    };
  }

  function called(text) {
    const reply = (() => {
      const { number, args } = parse(text);
      try {
        return `{"v":${encode(callbacks[number](...decode(args, remote)), LIMIT, handle)}}`;
      } catch (error) {
        return stringify({ e: error === STOP ? "stop" : String(error && error.message).slice(0, 300) });
      }
    })();
    return reply;
  }

  // ---- showing values ----
  function inspect(value, depth = 0) {
    if (isRemote(value)) return "<object of the program>";
    if (typeof value === "string") return stringify(value.length > SHOWN ? value.slice(0, SHOWN) + "…" : value);
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "function") return "<function>";
    if (value === null || typeof value !== "object") return Object.is(value, -0) ? "-0" : String(value);
    if (depth > 3) return "…";
    const some = (items, show) => items.slice(0, 30).map(show).join(", ");
    if (Array.isArray(value)) return `[${some(Array.from(value), (item) => inspect(item, depth + 1))}]`;
    if (value instanceof Map) {
      return `Map {${some([...value], ([key, item]) => `${inspect(key, depth + 1)} => ${inspect(item, depth + 1)}`)}}`;
    }
    if (value instanceof Set) return `Set {${some([...value], (item) => inspect(item, depth + 1))}}`;
    if (value instanceof Date) return `Date(${value.getTime()})`;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    return `{${some(Object.keys(value), (name) => `${name}: ${inspect(value[name], depth + 1)}`)}}`;
  }

  const brief = (value) => {
    const text = inspect(value);
    return text.length > SHOWN ? text.slice(0, SHOWN - 1) + "…" : text;
  };
  const inspectAll = (args) => args.map(brief).join(", ");
  const lastCall = () => {
    const owner = typeof last.target === "string" ? last.target : "<object of the program>";
    return last.action === "get" ? `${owner}.${last.name}` : `${last.action === "new" ? "new " : ""}${owner}(${last.args})`;
  };
  const lastNote = () => (last && last.value !== PENDING ? `; last call ${lastCall()} gave ${brief(last.value)}` : "");

  // ---- comparing, by the rules of node:assert ----
  function same(left, right, strict) {
    if (isRemote(left) || isRemote(right)) return false;
    if (Object.is(left, right)) return true;
    const isObject = (value) => value !== null && typeof value === "object";
    if (!isObject(left) || !isObject(right)) {
      return !strict && !isObject(left) && !isObject(right) && (left == right || (left !== left && right !== right));
    }
    return sameObjects(left, right, strict);
  }

  function sameObjects(left, right, strict) {
    const kind = (value) => Object.prototype.toString.call(value);
    if (kind(left) !== kind(right) || Array.isArray(left) !== Array.isArray(right)) return false;
    if (strict && Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return false;
    if (left instanceof Date && !Object.is(left.getTime(), right.getTime())) return false;
    if (left instanceof RegExp && String(left) !== String(right)) return false;
    if (left instanceof Error && (left.message !== right.message || left.name !== right.name)) return false;
    if (/^\[object (Number|String|Boolean|BigInt|Symbol)\]$/.test(kind(left)) && !Object.is(left.valueOf(), right.valueOf())) return false;
    if (left instanceof Map && !sameMaps(left, right, strict)) return false;
    if (left instanceof Set && !sameSets(left, right, strict)) return false;
    if (Array.isArray(left) && left.length !== right.length) return false;
    const names = Object.keys(left);
    return names.length === Object.keys(right).length
      && names.every((name) => Object.prototype.hasOwnProperty.call(right, name) && same(left[name], right[name], strict));
  }

  // Each item of one side takes one of the other, so that what occurs twice must occur twice.
  function paired(left, right, equal) {
    const rest = [...right];
    return left.length === right.length && left.every((item) => {
      const at = rest.findIndex((other) => equal(item, other));
      if (at >= 0) rest.splice(at, 1);
      return at >= 0;
    });
  }

  function sameSets(left, right, strict) {
    if (left.size !== right.size) return false;
    return paired([...left].filter((item) => !right.has(item)), [...right].filter((item) => !left.has(item)),
      (one, other) => same(one, other, strict));
  }

  function sameMaps(left, right, strict) {
    return left.size === right.size
      && paired([...left], [...right], (one, other) => same(one[0], other[0], strict) && same(one[1], other[1], strict));
  }

  // ---- node:assert ----
  class AssertionError extends Error {
    constructor(options) {
      super(typeof options === "string" ? options : options.message);
      this.name = "AssertionError";
    }
  }

  function fail(message, detail) {
    if (message instanceof Error) throw message;
    throw noted(new AssertionError(String(message ?? detail)), "assertion", detail);
  }

  function differs(actual, expected, message, word = "expected") {
    const fromCall = last && last.value !== PENDING && Object.is(last.value, actual);
    fail(message, fromCall ? `${lastCall()}: ${word} ${brief(expected)}, got ${brief(actual)}`
      : `${word} ${brief(expected)}, got ${brief(actual)}${lastNote()}`);
  }

  const loose = (left, right) => !isRemote(left) && !isRemote(right) && (left == right || (left !== left && right !== right));
  const strictly = (left, right) => !isRemote(left) && !isRemote(right) && Object.is(left, right);
  const check = (holds) => (actual, expected, message) => holds(actual, expected) || differs(actual, expected, message);
  const checkNot = (holds) => (actual, expected, message) => {
    const mine = (value) => typeof value === "object" && value !== null && given.has(value);
    if (mine(actual) && mine(expected) && same(actual, expected, true)) {
      throw new Unsendable("whether two equal results are one and the same object is not known here");
    }
    if (isRemote(actual) || isRemote(expected) || holds(actual, expected)) differs(actual, expected, message, "expected other than");
  };

  function ok(value, message) {
    if (!value) fail(message, `expected a true value, got ${brief(value)}${lastNote()}`);
  }

  function attempt(work) {
    try {
      work();
    } catch (error) {
      if (error === STOP) throw error;
      return { error };
    }
    return null;
  }

  function matches(error, expected) {
    if (expected instanceof RegExp) return expected.test(String(error));
    if (isRemote(expected)) return (error.classes || []).includes(remotes.get(expected));
    if (isErrorClass(expected)) return error instanceof expected || (error?.classes || []).includes(expected.name);
    if (typeof expected === "function") return expected.call({}, error) === true;
    return Object.keys(expected).concat(expected instanceof Error ? ["name", "message"] : []).every((name) =>
      expected[name] instanceof RegExp ? expected[name].test(error[name]) : same(error[name], expected[name], true));
  }

  function throws(work, expected, message) {
    const found = attempt(work);
    if (found === null) fail(typeof expected === "string" ? expected : message, `expected an exception${lastNote()}`);
    if (expected === undefined || typeof expected === "string") return;
    if (!matches(found.error, expected)) fail(message, `expected another exception than ${brief(found.error)}`);
  }

  function doesNotThrow(work, _, message) {
    const found = attempt(work);
    if (found) fail(message, `expected no exception, got ${brief(found.error)}`);
  }

  const deep = (strict) => (left, right) => same(left, right, strict);
  const match = (wanted) => (text, pattern, message) => {
    if (typeof text !== "string" || pattern.test(text) !== wanted) differs(text, pattern, message, wanted ? "expected a match of" : "expected no match of");
  };
  const assert = Object.assign((value, message) => ok(value, message), {
    ok, AssertionError, throws, doesNotThrow,
    equal: check(loose), notEqual: checkNot(loose),
    strictEqual: check(strictly), notStrictEqual: checkNot(strictly),
    deepEqual: check(deep(false)), notDeepEqual: checkNot(deep(false)),
    deepStrictEqual: check(deep(true)), notDeepStrictEqual: checkNot(deep(true)),
    match: match(true), doesNotMatch: match(false),
    fail: (message) => fail(message, String(message ?? "failed")),
    ifError: (value) => value === null || value === undefined || fail(undefined, `expected no error, got ${brief(value)}`),
  });
  assert.strict = Object.assign((value, message) => ok(value, message), assert, {
    equal: assert.strictEqual, notEqual: assert.notStrictEqual,
    deepEqual: assert.deepStrictEqual, notDeepEqual: assert.notDeepStrictEqual,
  });
  assert.strict.strict = assert.strict;
  assert.default = assert;

  // ---- running tests ----
  const modules = { "assert": assert, "assert/strict": assert.strict };
  globalThis.require = (name) => {
    const found = modules[String(name).replace(/^node:/, "")];
    if (!found) throw new Error(`the tests need the module ${name}`);
    return found;
  };
  const nothing = () => undefined;
  globalThis.console = { log: nothing, error: nothing, warn: nothing, info: nothing, debug: nothing };
  const names = new Map();
  const scope = new Proxy({}, {
    has: (_, name) => typeof name === "string" && (name === entryPoint || !(name in globalThis)),
    get: (_, name) => {
      if (typeof name === "symbol") return undefined;
      if (!names.has(name)) names.set(name, remote(name));
      return names.get(name);
    },
    set: (_, name, value) => Boolean(names.set(name, value)),
  });

  function explained(error) {
    if (error === STOP) return { code: "stop", detail: "" };
    if (error instanceof Unsendable) return { code: "test_error", detail: error.message };
    const known = typeof error === "object" && error !== null ? reasons.get(error) : undefined;
    if (known) return known;
    if (error instanceof AssertionError) return { code: "assertion", detail: error.message };
    const shown = error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${brief(error)}`;
    return { code: "exception", detail: `${shown} (in the tests)${lastNote()}` };
  }

  function run(tests) {
    try {
      tests(scope);
      return '{"code":"passed","detail":""}';
    } catch (error) {
      return stringify(explained(error));
    }
  }
  return { run, called };
})
