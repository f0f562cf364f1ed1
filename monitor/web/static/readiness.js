// The organizers' page: figures, what is missing by district, and the sheet of all points; then follows its events.
import { Clock, fill, put } from "./clock.js";
import { follow } from "./link.js";
import { Sheet } from "./sheet.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const byId = (id) => document.getElementById(id);
const words = read("words");
const people = read("sheet");
const number = new Intl.NumberFormat("vi-VN");
const clock = new Clock(words);
const sheet = new Sheet(people, words, clock);
const cards = new Map();

function element(name, className, text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
}

function showHead(head) {
  const { total } = head;
  for (const name of ["ready", "expected", "up", "reported", "delegates", "attendees"]) put(byId(name), number.format(total[name]));
  put(byId("late"), total.late ? fill(words.readiness_late, {}) + ` ${number.format(total.late)}` : "");
  put(byId("forecast"), head.forecast);
  put(byId("blind"), head.blind);
  byId("blind").hidden = !head.blind;
  document.title = document.title.replace(/^[^·]*/, `${number.format(total.ready)}/${number.format(total.expected)} `);
  showTiers([...head.tiers, [words.readiness_sum, total]]);
  showTrend(head);
  showDistricts(head.districts);
}

function showTiers(rows) {
  const body = byId("tiers");
  rows.forEach(([name, counts], n) => {
    const row = body.rows[n] ?? body.insertRow();
    const told = [name, ...["planned", "expected", "up", "ready", "reported", "delegates", "merged", "without_coverage"].map((key) => number.format(counts[key]))];
    told.forEach((text, column) => {
      let cell = row.cells[column];
      if (!cell) {
        cell = document.createElement(column ? "td" : "th");
        if (!column) cell.scope = "row";
        if (column === 4) cell.className = "ready";
        row.append(cell);
      }
      put(cell, text);
    });
    row.classList.toggle("sum", n === rows.length - 1);
  });
}

function showTrend({ trend, target }) {
  if (trend.length < 2) return;
  const [from, to] = [trend[0][0], trend.at(-1)[0]];
  const top = Math.max(target, ...trend.map(([, , expected]) => expected), 1);
  const x = (at) => (300 * (at - from)) / Math.max(1, to - from);
  const y = (count) => 58 - (56 * count) / top;
  byId("line").setAttribute("d", trend.map(([at, ready], n) => `${n ? "L" : "M"}${x(at).toFixed(1)} ${y(ready).toFixed(1)}`).join(""));
  byId("goal").setAttribute("d", `M0 ${y(target).toFixed(1)}H300`);
}

function showDistricts(districts) {
  const list = byId("districts");
  districts.forEach((district, n) => {
    const card = cards.get(district.code) ?? makeCard(district);
    showCard(card, district);
    if (list.children[n] !== card.node) list.insertBefore(card.node, list.children[n] ?? null);
  });
}

function makeCard(district) {
  const node = element("li", "");
  const name = element("p", "name");
  const [title, count] = [element("span", ""), element("span", "")];
  name.append(title, count);
  const bar = element("div", "bar");
  const fillBar = element("i", "");
  bar.append(fillBar);
  const [lacks, desk, actions] = [element("p", "lacks"), element("p", "desk"), element("p", "do")];
  const look = element("button", "button", words.readiness_show);
  const remind = element("button", "button", words.readiness_remind);
  look.addEventListener("click", () => showPoints(district.code));
  remind.addEventListener("click", () => ask(district, remind));
  actions.append(look);
  if (words.may_remind) actions.append(remind);
  node.append(name, bar, lacks, desk, actions);
  const card = { node, title, count, fillBar, lacks, desk, remind };
  cards.set(district.code, card);
  return card;
}

function showCard(card, district) {
  const missing = district.expected - district.ready;
  put(card.title, district.name);
  put(card.count, `${number.format(district.ready)}/${number.format(district.expected)}`);
  card.fillBar.style.transform = `scaleX(${district.ready / Math.max(1, district.expected)})`;
  put(card.lacks, missing ? district.lacks.map(([code, n]) => `${words.lacks[code]} ${number.format(n)}`).join(" · ") : words.readiness_all_ready);
  card.node.classList.toggle("all", !missing);
  card.remind.hidden = !missing;
  const told = `${district.desk}|${district.phone}`;
  if (card.told === told) return;
  card.told = told;
  card.desk.replaceChildren(district.desk);
  if (district.phone) {
    const call = element("a", "", district.phone);
    call.href = `tel:${district.phone.replace(/[^+\d]/g, "")}`;
    card.desk.append(" · ", call);
  }
}

function showPoints(code) {
  sheet.only(people.places.findIndex(([known]) => known === code), "missing");
  byId("points").scrollIntoView({ block: "start" });
  byId("points").focus({ preventScroll: true });
}

async function ask(district, button) {
  button.disabled = true;
  let told = words.readiness_failed;
  try {
    const answer = await fetch("/readiness/remind", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": words.csrf },
      body: JSON.stringify(district.code),
      signal: AbortSignal.timeout(10000),
    });
    told = (await answer.json()).told ?? told;
  } catch { /* said below */ }
  put(byId("told"), `${district.name}: ${told}`);
  setTimeout(() => { button.disabled = false; }, 3000);
}

function take(event) {
  if (event.layout !== people.version) return location.reload(); // another inventory
  clock.set(event.head);
  if (event.whole) sheet.showAll(event.cells);
  else sheet.show(event.cells);
  showHead(event.head);
}

take(read("snapshot"));
const asked = new URLSearchParams(location.search).get("district");
if (asked !== null && cards.has(asked)) showPoints(asked);
follow("/readiness/events", ["snapshot", "delta", "tick"], take, (link) => {
  document.documentElement.dataset.link = link;
  put(byId("link"), words[link] ?? words.stale);
});
