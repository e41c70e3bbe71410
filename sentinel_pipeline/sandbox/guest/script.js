// The candidate's side: finds what the judge asks for in the program's global scope, does it, and encodes what comes back.
(function (values, callOut) {
  "use strict";
  const { encode, decode, parse, stringify, TOO_DEEP, TOO_LONG } = values;
  const { apply, construct, getPrototypeOf, get } = Reflect;
  const lookUp = eval;
  const { isArray } = Array;
  const mapGet = Map.prototype.get, mapSet = Map.prototype.set, slice = String.prototype.slice;
  const errorRoot = Error.prototype;
  const handles = new Map();
  const MISSING = {};
  const MAX_TEXT = 300;
  let count = 0;

  function handle(value) {
    apply(mapSet, handles, [count, value]);
    return `{"h":${count++}}`;
  }

  function resolve(content) {
    if (typeof content === "number") return apply(mapGet, handles, [content]);
    return typeof content === "string" ? named(content) : callback(content.c);
  }

  function named(name) {
    if (lookUp(`typeof ${name}`) !== "undefined") return lookUp(name);
    const exported = get(globalThis, "module")?.exports;
    if (exported && exported[name] !== undefined) return exported[name];
    throw MISSING;
  }

  function callback(number) {
    return (...args) => {
      const reply = parse(callOut(`{"c":${number},"a":${encode(args, limit, handle)}}`));
      if (reply.e !== undefined) throw new Error(reply.e);
      return decode(reply.v, resolve);
    };
  }

  function act(request, args) {
    const subject = resolve(request.on);
    switch (request.do) {
      case "call": return apply(subject, request.self === undefined ? undefined : resolve(request.self), args);
      case "new": return construct(subject, args);
      case "get": return subject[request.name];
      case "has": return request.name in subject;
      case "set": subject[request.name] = args[0]; return undefined;
    }
    throw new Error("unknown request");
  }

  function shortened(value) {
    return typeof value === "string" ? stringify(apply(slice, value, [0, MAX_TEXT])) : "null";
  }

  function failure(error) {
    if (error === null || (typeof error !== "object" && typeof error !== "function")) {
      return `{"t":${encode(error, 4 * MAX_TEXT, handle)}}`;
    }
    let names = "", step = error;
    for (let at = 0; at < 8 && step !== null && step !== errorRoot; at++) {
      step = getPrototypeOf(step);
      const name = step === null ? undefined : step.constructor?.name;
      if (typeof name === "string" && name !== "Object") names += (names ? "," : "") + shortened(name);
    }
    return `{"e":[${names}],"n":${shortened(error.name)},"m":${shortened(error.message)},"k":${shortened(error.stack)}}`;
  }

  function outcome(request, args) {
    try {
      const value = act(request, args);
      for (let at = 0; at < args.length; at++) {
        if (value === args[at] && typeof value === "object" && value !== null) return `{"i":${at}}`;
      }
      return `{"v":${encode(value, limit, handle)}}`;
    } catch (error) {
      if (error === MISSING) return `{"x":"missing","m":${stringify(request.on)}}`;
      if (error === TOO_LONG) return '{"x":"output_limit"}';
      if (error === TOO_DEEP) return `{"v":${handle(null)}}`;
      try {
        return failure(error);
      } catch (_) {
        return '{"e":["Error"],"n":"Error","m":"(its message cannot be shown)","k":null}';
      }
    }
  }

  let limit = 0;
  // One request, as text -> one answer, as text; "w" holds the arguments where the call changed them in place.
  return function (text, outputLimit) {
    limit = outputLimit;
    const request = parse(text), before = request.args, args = decode(parse(before), resolve);
    const answer = outcome(request, args);
    if (!request.plain) {
      let after = null;
      try {
        after = encode(args, limit, handle);
      } catch (_) {
        after = "null";
      }
      if (after !== before) return `${apply(slice, answer, [0, -1])},"w":${after}}`;
    }
    return answer;
  };
})
