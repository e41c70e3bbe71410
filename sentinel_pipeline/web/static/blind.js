// Blind labelling: one output, one key for each label, nothing that tells whose it is.
import { get, post, toast } from "./common.js";
import { el, show } from "./text.js";

const $ = (id) => document.getElementById(id);
const batch = document.body.dataset.batch;
let item = null, labels = [], busy = false;

function draw() {
  $("empty").hidden = item !== null;
  $("turns").hidden = document.querySelector(".response").hidden = item === null;
  if (!item) { $("place").textContent = "done"; return; }
  $("place").textContent = `${item.done + 1} of ${item.total}`;
  $("turns").replaceChildren(...item.messages.map((turn) => {
    const body = el("div", { className: "text" });
    show(body, turn.content);
    return el("section", { className: `turn ${turn.role}` }, el("h2", { textContent: turn.role }), body);
  }));
  show($("response"), item.response);
  scrollTo(0, 0);
}

async function next() {
  ({ item, labels } = await get("blind", { batch }));
  $("labels").replaceChildren(...labels.map((label, index) =>
    el("button", { type: "button", onclick: () => give(label) }, label, el("kbd", { textContent: String(index + 1) }))));
  draw();
}

async function give(label) {
  if (!item || busy) return;
  busy = true;
  try { await post("blind", { item: item.seq, label }); await next(); }
  catch (error) { toast(error.message, true); }
  finally { busy = false; }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const label = labels[Number(event.key) - 1];
  if (label) { event.preventDefault(); give(label); }
});
next().catch((error) => toast(error.message, true));
