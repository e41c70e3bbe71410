// Text of models and people, shown as text: no string ever becomes markup, and characters that hide or reorder are named.

/** An element with properties and children; strings become text nodes. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("data-") || name.startsWith("aria-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const NAMES = { 0: "NUL", 7: "BEL", 8: "BS", 13: "CR", 27: "ESC", 127: "DEL", 0x200b: "ZWSP", 0x200e: "LRM", 0x200f: "RLM",
  0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO", 0x2060: "WJ", 0x2066: "LRI", 0x2067: "RLI",
  0x2068: "FSI", 0x2069: "PDI", 0xfeff: "BOM" };
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udfff]/g;

/** Put `text` into `node` as it is, with a visible mark for every character that a reader would not see. */
export function show(node, text) {
  const parts = [];
  let last = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > last) parts.push(text.slice(last, found.index));
    const code = found[0].codePointAt(0);
    const hex = "U+" + code.toString(16).toUpperCase().padStart(4, "0");
    parts.push(el("span", { className: "hidden-char", title: hex, textContent: NAMES[code] ?? hex }));
    last = found.index + found[0].length;
    if (parts.length > 4000) break;
  }
  parts.push(text.slice(last));
  node.replaceChildren(...parts);
}

/** `Nov 21, 05:46`, in the reader's own time. */
export function when(seconds) {
  const options = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  return new Date(seconds * 1000).toLocaleString(undefined, options);
}

export const amount = (n) => n.toLocaleString("en-GB").replaceAll(",", "\u202f");
