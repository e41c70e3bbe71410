// Reads one JSON request a line, {"text", "language"}, and answers each with one JSON line:
// {"js", "module"} the program as JavaScript, {"error", "line"} what is wrong with it, {"deep"} when the parser gave up
// (this process then ends, since its parser may be damaged). Nothing that is read here is ever executed.
"use strict";
const { readSync, writeSync } = require("node:fs");
const { stripTypeScriptTypes } = require("node:module");
const vm = require("node:vm");

const EXPORTS = new RegExp(
  "^export[ \\t]+(?:default[ \\t]+)?(?=(?:async[ \\t]+)?function\\*?[ \\t]+\\w|class[ \\t]+\\w|const\\b|let\\b|var\\b)" +
    "|^export[ \\t]*\\{[^{}]*\\}[ \\t]*;?[ \\t]*$|^export[ \\t]+default[ \\t]+[\\w$]+[ \\t]*;?[ \\t]*$", "gm");

function toJavaScript(text) {
  try {
    return stripTypeScriptTypes(text, { mode: "strip" });
  } catch (error) {
    if (error.code !== "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") throw error;
    return stripTypeScriptTypes(text, { mode: "transform" });
  }
}

function parses(js) {
  try {
    new vm.Script(js, { filename: "program" });
    return null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return error;
  }
}

function parsesAsModule(js) {
  try {
    new vm.SourceTextModule(js, { identifier: "program" });
    return true;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return false;
  }
}

function answer({ text, language }) {
  const js = language === "typescript" ? toJavaScript(text) : text;
  const problem = parses(js);
  if (problem === null) return { js, module: false };
  const bare = js.replace(EXPORTS, (found) => found.replace(/[^\n]/g, " "));
  if (bare !== js && parses(bare) === null) return { js: bare, module: false };
  if (parsesAsModule(js)) return { js, module: true };
  throw problem;
}

function reply(line) {
  try {
    return answer(JSON.parse(line));
  } catch (error) {
    if (!(error instanceof SyntaxError)) return { deep: String(error && error.name) };
    const place = /^[^\n]{0,20}:(\d+)\n/.exec(String(error.stack));
    return { error: error.message.slice(0, 160), line: place ? Number(place[1]) : null };
  }
}

function write(text) {
  const data = Buffer.from(text);
  for (let sent = 0; sent < data.length; ) sent += writeSync(1, data, sent);
}

let waiting = [];
const chunk = Buffer.alloc(1 << 16);
for (;;) {
  const size = readSync(0, chunk);
  if (size === 0) process.exit(0);
  const part = Buffer.from(chunk.subarray(0, size));
  waiting.push(part);
  if (part[size - 1] !== 10) continue;
  const answered = reply(Buffer.concat(waiting).toString("utf8"));
  waiting = [];
  write(JSON.stringify(answered) + "\n");
  if (answered.deep !== undefined) process.exit(0);
}
