// A page about something that goes on: while it says so, its part with the id "live" is fetched anew and put in place of the old.
const EVERY_MS = 3000;

async function renew() {
  const old = document.getElementById("live");
  if (old?.dataset.live !== "true") return;
  if (!document.hidden) {
    try {
      const response = await fetch(location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = response.ok ? page.getElementById("live") : null;
      if (fresh) old.replaceWith(fresh);
    } catch {
      // The server is away: the next look may find it.
    }
  }
  setTimeout(renew, EVERY_MS);
}
setTimeout(renew, EVERY_MS);
