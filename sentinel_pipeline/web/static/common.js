// What every page of a person who is logged in needs: requests with the token, the way out, short notices.
import { when } from "./text.js";

export class Refusal extends Error {
  constructor(status, body) {
    super(body.error ?? "The server does not answer.");
    this.status = status;
    this.kind = body.kind;
  }
}

async function answer(response) {
  if (response.status === 401) location.assign("/login");
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, body);
  return body;
}

const query = (fields) => new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== ""));

export async function get(name, fields = {}) {
  return answer(await fetch(`/api/${name}?${query(fields)}`, { credentials: "same-origin" }));
}

export async function post(name, fields = {}) {
  const headers = { "content-type": "application/json", "x-csrf-token": document.body.dataset.csrf };
  const body = JSON.stringify(fields);
  return answer(await fetch(`/api/${name}`, { method: "POST", headers, body, credentials: "same-origin" }));
}

let fading;
export function toast(message, bad = false) {
  const node = document.getElementById("toast");
  node.textContent = message;
  node.classList.toggle("bad", bad);
  node.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => (node.hidden = true), bad ? 9000 : 3500);
}

document.getElementById("logout")?.addEventListener("click", async () => {
  await fetch("/logout", { method: "POST", headers: { "x-csrf-token": document.body.dataset.csrf } });
  location.assign("/login");
});
for (const form of document.querySelectorAll("form[data-sign]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = { recipe: form.dataset.sign, subject_hash: form.dataset.hash, verdict: event.submitter.value, note: form.elements.note.value };
    try { form.querySelector("[role=status]").textContent = (await post("sign", fields)).reason; }
    catch (error) { form.querySelector("[role=status]").textContent = error.message; }
  });
}
for (const node of document.querySelectorAll("time[data-at]")) node.textContent = when(Number(node.dataset.at));
