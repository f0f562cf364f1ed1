// A coordinator's page: the points of a district or commune, and the form of each one that is opened.
import { CheckInForm } from "./checkin.js";
import { fill, put } from "./clock.js";
import { Outbox } from "./outbox.js";
import { plain } from "./search.js";

const LOOK_EVERY_MS = 4000;
const ANSWER_WITHIN_MS = 10000;
const NOT_MODIFIED = 304;
const byId = (id) => document.getElementById(id);
const json = (id) => JSON.parse(byId(id).textContent);
const words = json("words");
const number = new Intl.NumberFormat("vi-VN");
const time = new Intl.DateTimeFormat("vi-VN", { timeStyle: "medium", hourCycle: "h23", timeZone: words.timezone });
const here = location.pathname;
const outbox = new Outbox(document.querySelector("main").dataset.scope, here, () => showRows());
const items = new Map(); // by id: { node, row, form }
let roll = json("roll");
let tag = "";

const pathOf = (row) => `check-ins/${encodeURIComponent(row.id)}`;

function itemOf(row) {
  const node = byId("row").content.firstElementChild.cloneNode(true);
  const item = { node, row, form: null, sought: plain(`${row.name} ${row.place} ${row.id}`) };
  const details = node.querySelector("details");
  details.addEventListener("toggle", () => details.open && open(item));
  put(node.querySelector(".name"), row.name);
  return item;
}

function open(item) {
  if (item.form) {
    item.form.look();
    return;
  }
  const body = item.node.querySelector(".body");
  body.append(byId("form").content.cloneNode(true));
  item.form = new CheckInForm(body.querySelector("form"), pathOf(item.row), item.row.tier, outbox, words);
}

function show() {
  for (const name of ["ready", "expected", "up", "reported", "delegates", "attendees"]) put(byId(name), number.format(roll[name]));
  const known = new Set(roll.rows.map(({ id }) => id));
  for (const [id, { node }] of items) {
    if (known.has(id)) continue;
    node.remove();
    items.delete(id);
  }
  for (const row of roll.rows) {
    if (!items.has(row.id)) {
      items.set(row.id, itemOf(row));
      byId("points").append(items.get(row.id).node); // rows keep their place: nobody taps on one that jumps away
    }
    const item = items.get(row.id);
    if (item.form && item.row.entry !== row.entry) item.form.look();
    item.row = row;
  }
  showRows();
}

function showRows() {
  const { counts } = outbox;
  for (const item of items.values()) showRow(item, counts.get(pathOf(item.row)) ?? 0);
  narrow();
}

function showRow({ node, row }, waiting) {
  const refusal = outbox.refusals.get(pathOf(row))?.error;
  const said = refusal ?? (waiting ? fill(words.checkin_waiting, { n: waiting }) : "");
  node.querySelector(".cell").className = `cell ${row.code}`;
  put(node.querySelector(".people"), [row.delegates, row.attendees].some((each) => each !== null) ? `${told(row.delegates)} / ${told(row.attendees)}` : "");
  put(node.querySelector(".why"), said || (row.ready ? words.coordinator_is_ready : row.lacks));
  put(node.querySelector(".told"), [row.place, row.told, row.late && words.checkin_late].filter(Boolean).join(" · "));
  node.classList.toggle("ready", row.ready && !said);
}

const told = (people) => (people === null ? "–" : number.format(people));

function narrow() {
  const sought = plain(byId("find").value.trim());
  const missing = byId("missing").checked;
  let shown = 0;
  for (const { node, row, sought: names } of items.values()) {
    const busy = node.querySelector("details").open;
    node.hidden = !(names.includes(sought) && (busy || !(missing && row.ready)));
    shown += !node.hidden;
  }
  byId("none").hidden = shown > 0;
}

async function look() {
  if (document.hidden) return;
  try {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(`${here}/points`, { headers, cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (answer.status !== NOT_MODIFIED && !answer.ok) throw new Error(String(answer.status));
    byId("stale").hidden = true;
    put(byId("at"), fill(words.coordinator_at, { at: time.format(new Date(answer.headers.get("Date") ?? Date.now())) }));
    if (answer.status === NOT_MODIFIED) return;
    tag = answer.headers.get("ETag") ?? "";
    roll = await answer.json();
    show();
  } catch {
    byId("stale").hidden = false;
  }
}

byId("find").addEventListener("input", narrow);
byId("missing").addEventListener("change", narrow);
document.addEventListener("visibilitychange", look);
show();
outbox.flush();
setInterval(look, LOOK_EVERY_MS);
