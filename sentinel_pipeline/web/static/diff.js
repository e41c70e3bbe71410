// Line by line: the longest common subsequence between what the model wrote and what the person writes; words within changed lines.
import { el, show } from "./text.js";

const MOST = 1200;

function pieces(a, b) {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const x = a.slice(start, a.length - end), y = b.slice(start, b.length - end);
  const width = y.length + 1;
  const table = new Uint16Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; i--)
    for (let j = y.length - 1; j >= 0; j--)
      table[i * width + j] = x[i] === y[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
  const out = a.slice(0, start).map((line) => [" ", line]);
  let i = 0, j = 0;
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) { out.push([" ", x[i++]]); j++; }
    else if (i < x.length && (j === y.length || table[(i + 1) * width + j] >= table[i * width + j + 1])) out.push(["-", x[i++]]);
    else out.push(["+", y[j++]]);
  }
  return out.concat(a.slice(a.length - end).map((line) => [" ", line]));
}

/** Draw the difference into `node`; returns a short account of it. */
export function draw(node, before, after) {
  if (before === after) { node.replaceChildren(el("p", { className: "dim", textContent: "The same text." })); return "none"; }
  const a = before.split("\n"), b = after.split("\n");
  if (a.length > MOST || b.length > MOST || before.length + after.length > 200000) {
    node.replaceChildren(el("p", { className: "dim", textContent: "Too long to be compared here." }));
    return "";
  }
  const lines = pieces(a, b);
  node.replaceChildren(...lines.map(([sign, text]) => {
    const line = el("div", { className: sign === "+" ? "add" : sign === "-" ? "del" : "" });
    const body = el("span");
    show(body, text);
    line.append(el("i", { textContent: sign, "aria-hidden": "true" }), body);
    return line;
  }));
  const count = (sign) => lines.filter(([s]) => s === sign).length;
  return `${count("+")} added, ${count("-")} removed`;
}
