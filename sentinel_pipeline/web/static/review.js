// The card page: one card, one key for each act. Whatever a person types is kept before anything else happens.
import { get, post, toast } from "./common.js";
import { draw } from "./diff.js";
import { paint } from "./paint.js";
import { amount, el, show, when } from "./text.js";

const $ = (id) => document.getElementById(id);
const text = $("correction");
const state = { card: null, place: "pending", dirty: false, saving: null, busy: false, checked: null };
let autosave, counting = 0;

const filters = () => ({ place: state.place, ...Object.fromEntries(new FormData($("filters"))) });
const decided = () => state.card && state.card.status !== "needs_review";

// ---- showing -------------------------------------------------------------------------------------------------------

// The landing page's server knows which recipe a run is of.
function everyAnswer(card) {
  const front = document.body.dataset.front;
  if (!front || !card.suite || !card.run) return null;
  const query = new URLSearchParams({ run: card.run, suite: card.suite, item: card.task_id });
  return el("a", { className: "chip", href: `${front}/go/sample?${query}`, textContent: "every model's answer" });
}

function chip(label, value, kind = "") {
  return value === null || value === "" ? null : el("span", { className: `chip ${kind}`, title: label }, el("small", { textContent: label }), String(value));
}

function section(turn) {
  const box = el("section", { className: `turn ${turn.role}` }, el("h2", { textContent: turn.role }));
  const body = el("div", { className: "text" });
  show(body, turn.content);
  box.append(body);
  if (turn.content_length > turn.content.length) box.append(el("p", { className: "dim", textContent: `… ${amount(turn.content_length)} characters in all` }));
  return box;
}

function showCard(card) {
  state.card = card;
  state.checked = null;
  $("listing").hidden = true;
  $("empty").hidden = card !== null;
  $("shown").hidden = card === null;
  if (!card) { document.title = "Queue · sentinel"; return; }
  document.title = `${card.task_name.slice(0, 60)} · sentinel`;
  show($("name"), card.task_name || card.task_id);
  $("chips").replaceChildren(...[chip("model", card.model_name || card.model_id, "strong"), chip("task", card.task_type, "strong"), chip("suite", card.suite),
    chip("run", card.run.slice(0, 8)), chip("speed", card.tokens_per_sec === null ? null : `${card.tokens_per_sec} tokens/s`),
    chip("checks", card.tests ? "own tests" : "form only"), chip("recipe", card.recipes.join(", ") || "none"), everyAnswer(card)].filter(Boolean));
  $("score").textContent = card.quality === null ? "–" : card.quality.toFixed(2);
  $("score").className = `score ${card.band}`;
  $("score").setAttribute("aria-label", `Quality score ${card.quality ?? "unknown"}, ${card.band}`);
  show($("reason"), card.failure_reason);
  $("extra").hidden = !card.extra.length;
  $("extra").replaceChildren(...card.extra.flatMap((key) => {
    const pair = [el("dt", {}), el("dd", {})];
    show(pair[0], key.name);
    show(pair[1], key.value);
    return pair;
  }));
  $("turns").replaceChildren(...card.prompt.map(section));
  show($("response"), card.response);
  $("response-size").replaceChildren(...(card.response_length > card.response.length
    ? [`first ${amount(card.response.length)} of ${amount(card.response_length)} characters · `, el("a", { href: `/response/${encodeURIComponent(card.id)}`, target: "_blank", rel: "noopener", textContent: "all of it" })]
    : [card.response === "" ? "empty" : ""]));
  text.value = card.draft ?? card.correction ?? "";
  text.readOnly = !mayWrite();
  state.dirty = false;
  $("saved").textContent = card.draft !== null ? "draft" : "";
  banner();
  checksOf(null);
  typed();
  $("card").scrollTop = 0;
  window.scrollTo(0, 0);
  beside(card.id);
}

const mayWrite = () => state.card.mine || decided() || state.card.lease_by === null;

function banner() {
  const card = state.card, node = $("banner");
  let message = "";
  if (card.blind) message = "Second opinion: decide as if nobody had. The first decision is not shown.";
  else if (card.second === "disputed") message = `Two people disagree. ${document.body.dataset.role === "lead" ? "Your decision settles it." : "A lead settles it."}`;
  else if (decided()) message = `${card.status.replace("_", " ")} by ${card.decided_by}${card.decided_at ? ", " + when(card.decided_at) : ""}. Deciding again changes it.`;
  else if (!card.mine && card.lease_by) message = `${card.lease_by} has this card now: you can read it, and your draft is kept.`;
  node.textContent = message;
  node.hidden = !message;
}

function line(card, current) {
  const button = el("button", { type: "button", className: "row", onclick: () => open(card.id ?? card.card_id) });
  button.append(el("i", { className: `dot b-${card.status}`, title: card.status }));
  const name = el("span");
  show(name, card.task_id);
  button.append(name, el("small", { textContent: card.failure_class ?? (card.at ? when(card.at) : "") }));
  if (current) button.setAttribute("aria-current", "true");
  return el("li", {}, button);
}

async function beside(id) {
  const about = await get("around", { id }).catch(() => null);
  if (!about || state.card?.id !== id) return;
  $("similar").replaceChildren(...about.similar.map((card) => line(card)));
  if (!about.similar.length) $("similar").append(el("li", { className: "dim", textContent: "None." }));
  const said = about.opinions.length > 1 ? about.opinions.map((one) => el("li", { textContent: `${one.who}: ${one.status.replace("_", " ")}` })) : [];
  const told = about.history.map((event) => el("li", { className: event.undone ? "undone" : "" }, el("b", { textContent: event.actor }), ` ${event.action} `,
    el("span", { className: "dim", textContent: `${(event.detail.status ?? event.detail.said ?? "").replace("_", " ")} ${when(event.at)}` })));
  $("history").replaceChildren(...said, ...told);
  if (!said.length && !told.length) $("history").append(el("li", { className: "dim", textContent: "Nothing yet." }));
}

async function counts(now = false) {
  if (!now && Date.now() - counting < 5000) return;
  counting = Date.now();
  const all = await get("progress").catch(() => null);
  if (!all) return;
  for (const node of document.querySelectorAll("[data-count]")) node.textContent = amount(all[{ draft: "drafts" }[node.dataset.count] ?? node.dataset.count]);
  $("mine-today").textContent = amount(all.mine_today);
  $("mine").textContent = amount(all.mine);
}

async function recent() {
  const rows = (await get("recent")).recent;
  $("recent").replaceChildren(...rows.map((row) => line(row, row.card_id === state.card?.id)));
  if (!rows.length) $("recent").append(el("li", { className: "dim", textContent: "None yet." }));
}

// ---- writing -------------------------------------------------------------------------------------------------------

let drawing;
function typed() {
  const painted = paint($("paint"), text.value);
  text.parentElement.classList.toggle("unpainted", !painted);
  clearTimeout(drawing);
  drawing = setTimeout(() => {
    $("diffbox").hidden = !text.value;
    if (text.value && state.card) $("diffcount").textContent = draw($("diff"), state.card.response, text.value);
  }, 120);
}

text.addEventListener("input", () => {
  state.dirty = true;
  state.checked = null;
  checksOf(null);
  $("saved").textContent = "typing …";
  typed();
  clearTimeout(autosave);
  autosave = setTimeout(save, 600);
});
text.addEventListener("scroll", () => { $("paint").scrollTop = text.scrollTop; $("paint").scrollLeft = text.scrollLeft; });

async function save() {
  clearTimeout(autosave);
  if (!state.card || !state.dirty) return;
  const { id } = state.card, value = text.value;
  state.dirty = false;
  try {
    await post("draft", { id, text: value });
    if (state.card?.id === id) $("saved").textContent = value ? "draft saved" : "";
  } catch (error) {
    state.dirty = true;
    $("saved").textContent = "not saved";
    toast(error.message, true);
  }
}
addEventListener("pagehide", () => {
  if (!state.dirty || !state.card) return;
  const headers = { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf };
  fetch("/api/draft", { method: "POST", keepalive: true, headers, body: JSON.stringify({ id: state.card.id, text: text.value }) });
});

function checksOf(found) {
  const node = $("checks");
  node.className = `checks ${found?.outcome ?? ""}`;
  if (!found) { node.replaceChildren(); return; }
  const head = { pass: "✓ ", fail: "✗ ", infra: "! ", running: "" }[found.outcome] + found.reason;
  const labels = (found.labels ?? []).filter((one) => one.name !== "accepted").map((one) =>
    el("span", { className: `chip ${one.value === true ? "good" : one.value === false ? "bad" : ""}`, title: one.reason, textContent: `${one.value === true ? "✓" : one.value === false ? "✗" : "·"} ${one.name.replaceAll("_", " ")}` }));
  const first = el("p");
  show(first, head);
  node.replaceChildren(first, el("p", { className: "chips" }, ...labels));
}

// ---- acts ----------------------------------------------------------------------------------------------------------

// One act at a time. A key that comes while another act runs is dropped, so that it never hits a card that nobody has seen yet.
// What names its own object waits instead: undo, a card asked for by its id, a place, a filter.
async function busy(work, patient = false) {
  while (patient && state.busy) await new Promise((go) => setTimeout(go, 30));
  if (state.busy) return;
  state.busy = true;
  document.body.classList.add("busy");
  try { await work(); }
  catch (error) {
    if (error.kind === "conflict") { toast(error.message, true); if (state.card) await refresh(); }
    else toast(error.message, true);
  } finally { state.busy = false; document.body.classList.remove("busy"); }
}

async function refresh() {
  const kept = text.value;
  showCard((await post("open", { id: state.card.id })).card);
  if (kept && !text.value) { text.value = kept; typed(); }
}

async function next() {
  await save();
  if (state.place === "done" || state.place === "disputed") return listing();
  showCard((await post("next", filters())).card);
  text.blur();
  counts();
}

async function listing() {
  const { cards } = await get("list", filters());
  state.card = null;
  $("shown").hidden = true;
  $("empty").hidden = cards.length > 0;
  $("listing").hidden = cards.length === 0;
  $("listing").replaceChildren(...cards.map((card) => line(card)));
  counts(true);
}

async function open(id) {
  await busy(async () => {
    await save();
    showCard((await post("open", { id })).card);
    recent();
  }, true);
}

async function check() {
  const { id } = state.card, value = text.value;
  $("toast").hidden = true; // what was said of another text
  checksOf({ outcome: "running", reason: "Running the checks …" });
  try {
    const found = await post("check", { id, text: value });
    if (state.card?.id === id && text.value === value) { checksOf(found); state.checked = found; }
    return found;
  } catch (error) { checksOf({ outcome: "fail", reason: error.message }); throw error; }
}

async function decide(decision) {
  if (!state.card) return;
  await busy(async () => {
    const card = state.card, value = text.value;
    if (decision === "approved") {
      if (!value.trim()) { text.focus(); throw new Error("Write the correction first: an approval needs one."); }
      await save();
      const found = state.checked ?? (await check());
      if (found.outcome !== "pass") { toast(`Not approved: ${found.reason}`, true); return; }
    }
    const fields = { id: card.id, version: card.version, decision, change: Boolean(decided()) };
    if (decision === "approved") fields.text = value;
    state.dirty = false;
    await post("decide", fields);
    toast(`${decision.replace("_", " ")} · U takes it back`);
    await next();
    await recent();
  });
}

const ACTS = {
  approve: () => decide("approved"),
  discard: () => decide("discarded"),
  flag: () => decide("model_rejected"),
  check: () => state.card && busy(check),
  skip: () => state.card && busy(async () => { await save(); await post("skip", { id: state.card.id }); await next(); }),
  undo: () => busy(async () => { await save(); showCard((await post("undo")).card); toast("Taken back."); await recent(); counts(true); }, true),
  jump: () => { $("jump").showModal(); $("jumpto").select(); },
  keys: () => $("keys").showModal(),
  edit: () => state.card && text.focus(),
  copy: () => {
    if (!state.card || text.readOnly) return;
    if (text.value && text.value !== state.card.response) { toast("The correction is not empty: clear it first.", true); return; }
    if (state.card.response_length > state.card.response.length) { toast("The response is too long to start from.", true); return; }
    text.value = state.card.response;
    text.dispatchEvent(new Event("input"));
    text.focus();
  },
};
const KEYS = { a: "approve", d: "discard", m: "flag", t: "check", s: "skip", u: "undo", Backspace: "undo", j: "jump", "?": "keys", e: "edit", c: "copy" };

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const writing = event.target === text;
  if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); state.dirty = true; save(); return; }
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") { event.preventDefault(); ACTS.approve(); return; }
  if (event.key === "Escape") { event.target.blur?.(); save(); return; }
  const field = writing || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (field || event.ctrlKey || event.metaKey || event.altKey) return;
  const place = document.querySelectorAll("[data-place]")["12345".indexOf(event.key)];
  if (place && event.key.length === 1) { event.preventDefault(); place.click(); return; }
  if (event.key === "/") { event.preventDefault(); $("f-text").focus(); return; }
  if (event.key === "h") { $("guidelines").open = !$("guidelines").open; return; }
  const act = KEYS[event.key];
  if (act && !event.repeat) { event.preventDefault(); ACTS[act](); }
});
for (const button of document.querySelectorAll("[data-act]")) button.addEventListener("click", () => ACTS[button.dataset.act]());
for (const tab of document.querySelectorAll("[data-place]")) {
  tab.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-place]")) other.setAttribute("aria-selected", String(other === tab));
    state.place = tab.dataset.place;
    document.body.classList.toggle("on-done", state.place === "done");
    busy(next, true);
  });
}
let filtering;
$("filters").addEventListener("input", () => { clearTimeout(filtering); filtering = setTimeout(() => busy(next, true), 300); });
$("filters").addEventListener("submit", (event) => { event.preventDefault(); $("card").focus(); });
$("clear").addEventListener("click", () => { $("filters").reset(); busy(next, true); });
$("jumpform").addEventListener("submit", (event) => { event.preventDefault(); $("jump").close(); open($("jumpto").value.trim()); });

// A sign of life while the card is on the screen, four times a lease.
setInterval(async () => {
  if (document.hidden || !state.card?.mine || decided()) return;
  await post("renew", { id: state.card.id }).catch((error) => { if (error.status === 409) busy(refresh); });
}, Math.max(2000, Number(document.body.dataset.lease) * 250));

busy(async () => { await next(); await Promise.all([recent(), counts(true)]); });
