// The organizers' page: figures, what is missing by district, and the sheet of all points; then follows its events.
import { Clock, fill, put } from "./clock.js";
import { Districts } from "./districts.js";
import { follow } from "./link.js";
import { Sheet } from "./sheet.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const byId = (id) => document.getElementById(id);
const words = read("words");
const people = read("sheet");
const number = new Intl.NumberFormat("vi-VN");
const clock = new Clock(words);
const sheet = new Sheet(people, words, clock);
const districts = new Districts(people, words, sheet, showPoints);

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
  districts.show(head.districts);
}

function showTiers(rows) {
  const body = byId("tiers");
  rows.forEach(([name, counts], n) => {
    const row = body.rows[n] ?? body.insertRow();
    const told = [name, ...["planned", "expected", "up", "ready", "reported", "delegates", "hosted", "merged", "without_coverage"].map((key) => number.format(counts[key]))];
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
  for (const [id, [at, ready]] of [["from", trend[0]], ["to", trend.at(-1)]]) put(byId(id), `${clock.moment(at).slice(0, 5)} · ${number.format(ready)}`);
}

function showPoints(place) {
  sheet.only(place, "missing");
  byId("points").scrollIntoView({ block: "start" });
  byId("points").focus({ preventScroll: true });
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
if (asked !== null && districts.has(asked)) showPoints(people.places.findIndex(([code]) => code === asked));
follow("/readiness/events", ["snapshot", "delta", "tick"], take, (link) => {
  document.documentElement.dataset.link = link;
  put(byId("link"), words[link] ?? words.stale);
});
