// The chat page: one or two conversations at once, streamed, stopped, sent to review. What a model says only ever becomes text.
import { get, post, toast } from "./common.js";
import { amount, el, show } from "./text.js";

const byId = (id) => document.getElementById(id);
const sides = ["a", "b"].map((name) => ({ name, node: byId(`side-${name}`), select: byId(`model-${name}`), history: [], abort: null }));
let models = {};
const loaded = new Set(); // models that have answered since the page was opened
const tasks = new Map(); // text of a suggested prompt -> its task

const inUse = () => sides.filter((side) => side.select.value);
const writing = () => sides.some((side) => side.abort);

function draw() {
  for (const side of sides) {
    side.node.hidden = side.name === "b" && !side.select.value;
    state(side.node.querySelector(".state"), models[side.select.value], side.select.value);
  }
  const open = inUse().length > 0 && inUse().every((side) => models[side.select.value]?.open);
  byId("send").disabled = !open || writing();
  byId("stop").disabled = !writing();
  for (const side of sides) side.select.disabled = writing();
  byId("fresh").disabled = writing();
}

function state(node, model, name) {
  if (!model) return name ? node.replaceChildren(el("p", { className: "banner closed", textContent: `${name} is gone.` })) : undefined;
  const reasons = el("ul", { className: "reasons" }, ...model.reasons.map((reason) => el("li", { textContent: reason })));
  const key = JSON.stringify([name, model]);
  if (node.dataset.shown === key) return;
  node.dataset.shown = key;
  if (!model.open) node.replaceChildren(el("div", { className: "banner closed" }, el("b", { textContent: "Chat is closed." }), reasons));
  else if (model.experimental) node.replaceChildren(el("div", { className: "banner experimental" }, el("b", { textContent: "EXPERIMENTAL" }), "Do not rely on what this checkpoint says.", reasons));
  else node.replaceChildren();
}

function option(select, value) {
  if (![...select.options].some((one) => one.value === value)) select.append(el("option", { value, textContent: value }));
}

async function look() {
  try {
    const found = (await get("status")).models;
    models = Object.fromEntries(found.map((one) => [one.name, one]));
    for (const side of sides) for (const one of found) option(side.select, one.name);
  } catch (error) {
    toast(error.message, true);
  }
  draw();
}

function turn(side, role, note = "") {
  side.node.querySelector(".hello")?.remove();
  const text = el("div", { className: "text" });
  const said = el("span", { className: "note dim", textContent: note });
  const node = el("div", { className: `turn ${role}` }, el("h2", {}, role === "user" ? "You" : side.select.value, said), text);
  side.node.querySelector(".turns").append(node);
  return { node, text, said };
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (held + value).split("\n");
    held = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

async function request(side, messages) {
  const headers = { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf };
  const fields = { model: side.select.value, messages, temperature: Number(byId("temperature").value), max_tokens: Number(byId("tokens").value) };
  const response = await fetch("/api/answer", { method: "POST", headers, body: JSON.stringify(fields), signal: side.abort.signal, credentials: "same-origin" });
  if (response.status === 401) location.assign("/login");
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? "The server does not answer.");
  return response;
}

async function answer(side, text) {
  const asked = [...side.history, { role: "user", content: text }];
  show(turn(side, "user").text, text);
  const shown = turn(side, "assistant", loaded.has(side.select.value) ? "waiting for its turn …" : "loading the model …");
  shown.said.setAttribute("role", "status");
  const said = { text: "", id: null, done: null, frame: 0 };
  side.abort = new AbortController();
  draw();
  shown.node.classList.add("writing");
  try {
    for await (const line of lines(await request(side, asked))) heard(side, shown, said, line);
    if (!said.done) throw new Error("the answer broke off.");
  } catch (error) {
    if (error.name === "AbortError") shown.said.textContent = "stopped by you";
    else failed(shown, error.message);
  }
  if (said.frame) paint(side, shown, said);
  shown.node.classList.remove("writing");
  side.abort = null;
  // A conversation is about a task only while it is that task's prompt and nothing else.
  const task = side.history.length ? null : tasks.get(text);
  // An empty answer is no turn that a template can show: the question is asked anew.
  if (said.text.trim()) side.history = [...asked, { role: "assistant", content: said.text }];
  if (said.id && task && said.text.trim()) offerCheck(shown, said.id, task);
  if (said.id) offer(shown, said.id);
  draw();
}

function failed(shown, message) {
  shown.said.textContent = message;
  shown.said.classList.add("bad");
  look();
}

function heard(side, shown, said, line) {
  if (line.error) throw new Error(line.error);
  if (line.id) {
    said.id = line.id;
    loaded.add(side.select.value);
    shown.said.textContent = "thinking …";
    if (line.experimental) {
      shown.node.classList.add("experimental");
      shown.said.before(el("span", { className: "mark", textContent: "EXPERIMENTAL", title: line.reasons.join(" ") }));
    }
  }
  if (line.piece) {
    if (!said.text) shown.said.textContent = "writing …";
    said.text += line.piece;
    said.frame ||= requestAnimationFrame(() => paint(side, shown, said));
  }
  if (line.done) {
    said.done = line.done;
    const why = { stop: "ended by itself", length: "cut at the limit", cancelled: "stopped" }[line.done.finish];
    shown.said.textContent = `${why} · ${amount(line.done.completion_tokens)} tokens · ${line.done.seconds.toFixed(1)} s`;
    if (!said.text) shown.text.append(el("span", { className: "dim", textContent: "(empty answer)" }));
  }
}

// Once a frame, however fast the pieces come: drawing the whole text anew for each of thousands takes the time that the Escape key needs.
function paint(side, shown, said) {
  cancelAnimationFrame(said.frame);
  said.frame = 0;
  const near = side.node.scrollHeight - side.node.scrollTop - side.node.clientHeight < 80;
  show(shown.text, said.text);
  if (near) side.node.scrollTop = side.node.scrollHeight;
}

function offer(shown, id) {
  const why = el("input", { placeholder: "What is wrong with it?", maxLength: 2000, "aria-label": "What is wrong with this answer" });
  const button = el("button", { type: "submit", textContent: "Send this answer to review" });
  const form = el("form", { className: "after" }, why, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const came = await post("review", { id, note: why.value });
      form.replaceChildren(el("span", { className: "dim", role: "status", textContent: came.sent ? "It waits in the review queue." : "It is in the review queue already." }));
    } catch (error) {
      toast(error.message, true);
      button.disabled = false;
    }
  });
  shown.node.append(form);
}

function offerCheck(shown, id, task) {
  const button = el("button", { type: "button", textContent: "Check this answer by its tests" });
  const result = el("div", { className: "checked", role: "status" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    result.replaceChildren(el("span", { className: "dim", textContent: "running the tests …" }));
    try {
      const checked = await post("check", { id, task });
      const words = { pass: "passes its tests", fail: "fails its tests", infra: "could not be checked" }[checked.outcome];
      const chip = { pass: "good", fail: "bad" }[checked.outcome] ?? "warn";
      const parts = [el("span", { className: `chip ${chip}`, textContent: words })];
      if (checked.outcome !== "pass") parts.push(el("p", { className: "reason", textContent: checked.reason }));
      if (checked.outcome !== "pass" && checked.reference) {
        const right = el("div", { className: "text" });
        show(right, checked.reference);
        parts.push(el("details", {}, el("summary", { textContent: "A right answer" }), right));
      }
      result.replaceChildren(...parts);
      button.remove();
    } catch (error) {
      result.replaceChildren();
      toast(error.message, true);
      button.disabled = false;
    }
  });
  shown.node.append(el("div", { className: "after" }, button), result);
}

async function suggest(side, place) {
  const name = side.select.value;
  if (!name) return;
  let found = [];
  try {
    found = (await get("suggestions", { model: name })).suggestions;
  } catch {
    return; // without its task bank a recipe suggests nothing
  }
  if (!place.isConnected || side.select.value !== name || !found.length) return;
  const buttons = found.map((task) => {
    tasks.set(task.text, task.id);
    const button = el("button", { type: "button", className: "try", title: task.text }, el("small", { textContent: task.family }), task.text.replace(/\s+/g, " ").slice(0, 110));
    button.addEventListener("click", () => {
      byId("text").value = task.text;
      byId("text").focus();
      send();
    });
    return button;
  });
  place.append(el("p", { className: "dim", textContent: "Held-out prompts to try; their answers can be checked:" }), el("div", { className: "tries" }, ...buttons));
}

function send() {
  const text = byId("text").value;
  if (byId("send").disabled || !text.trim()) return;
  byId("text").value = "";
  for (const side of inUse()) answer(side, text);
  for (const side of inUse()) side.node.scrollTop = side.node.scrollHeight;
}

const stop = () => sides.forEach((side) => side.abort?.abort());

function fresh() {
  for (const side of sides) {
    side.history = [];
    const hello = el("div", { className: "hello" }, el("p", { textContent: "Answers are text: nothing that a model writes is followed, and it is run in a sandbox only where you check it." }));
    side.node.querySelector(".turns").replaceChildren(hello);
    if (side.name === "a") suggest(side, hello);
  }
  byId("text").focus();
}

byId("ask").addEventListener("submit", (event) => { event.preventDefault(); send(); });
byId("stop").addEventListener("click", stop);
byId("fresh").addEventListener("click", fresh);
for (const side of sides) side.select.addEventListener("change", () => { fresh(); draw(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
  // An input method's own Enter ends a composition and sends nothing.
  const writes = event.target.id === "text" && !event.shiftKey && !event.isComposing;
  if (event.key === "Enter" && (writes || event.ctrlKey || event.metaKey)) { event.preventDefault(); send(); }
});
fresh();
await look();
setInterval(() => { if (!document.hidden && !writing()) look(); }, 10_000);
