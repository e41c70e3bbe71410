// Syntax colours behind the correction: one linear pass over strings, comments, numbers and words. It judges nothing.
import { el } from "./text.js";

const WORDS = new Set(("and as assert async await break case class const continue def del do done elif else esac except export extends " +
  "false False fi finally for from function if import in interface is lambda let match new None nonlocal not null or pass raise " +
  "return select switch then throw true True try type typeof var void while with yield SELECT FROM WHERE GROUP BY ORDER JOIN ON AS").split(" "));
const TOKEN = /("""[^]*?(?:"""|$)|'''[^]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\.|[^`\\])*`?)|(#[^\n]*|\/\/[^\n]*)|(\b\d[\w.]*)|([A-Za-z_]\w*)|(^[+-][^\n]*$)/gm;
const LIMIT = 40000;

export function paint(node, text) {
  if (text.length > LIMIT) {
    node.replaceChildren();
    return false;
  }
  const parts = [];
  let last = 0;
  for (const found of text.matchAll(TOKEN)) {
    const kind = found[1] ? "str" : found[2] ? "com" : found[3] ? "num" : found[4] && WORDS.has(found[4]) ? "key" : "";
    if (!kind) continue;
    if (found.index > last) parts.push(text.slice(last, found.index));
    parts.push(el("span", { className: `p-${kind}`, textContent: found[0] }));
    last = found.index + found[0].length;
  }
  node.replaceChildren(...parts, text.slice(last) + "\n");
  return true;
}
