// What Node gives and plain programs use: a console that says nothing, module.exports, and no modules to require.
// Math.random gives the same numbers each time, so that verdicts repeat.
(function () {
  "use strict";
  const hidden = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  const words = ["log", "info", "warn", "error", "debug", "table", "trace", "dir", "assert", "time", "timeEnd", "group", "groupEnd"];
  hidden("console", Object.fromEntries(words.map((word) => [word, () => undefined])));
  hidden("module", { exports: {} });
  hidden("exports", module.exports);
  hidden("require", (name) => {
    throw new Error(`Cannot find module '${name}'`);
  });
  let state = 1;
  Math.random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
  delete globalThis.__callOut;
})()
