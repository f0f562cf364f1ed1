// Keeps the page of a point fresh: fetches itself and replaces what it shows.
import { fill } from "./clock.js";

const EVERY_MS = 5000;
const words = JSON.parse(document.getElementById("words").textContent);
const time = new Intl.DateTimeFormat("vi-VN", { timeStyle: "medium", hourCycle: "h23", timeZone: words.timezone });
const banner = document.getElementById("stale");

async function refresh() {
  const answer = await fetch(location.href, { signal: AbortSignal.timeout(EVERY_MS), cache: "no-store" });
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.title = page.title;
  document.getElementById("live").replaceChildren(...page.getElementById("live").childNodes);
}

async function keep() {
  try {
    if (!document.hidden) await refresh();
    banner.hidden = true;
  } catch {
    if (banner.hidden) banner.textContent = fill(words.stale, { since: time.format(Date.now()) });
    banner.hidden = false;
  }
  setTimeout(keep, EVERY_MS);
}

setTimeout(keep, EVERY_MS);
