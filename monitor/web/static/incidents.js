// The list of incidents: each lights its points on the map while it is looked at, and for good once it is chosen.
import { put } from "./clock.js";

const number = new Intl.NumberFormat("vi-VN");
const byId = (id) => document.getElementById(id);

export class Incidents {
  constructor(words, cells) {
    Object.assign(this, { words, cells });
    this.list = byId("incidents-rows");
    this.rows = [];
    this.shown = "";
    this.lookedAt = null;
    this.chosen = null;
    this.watch();
    this.seat();
  }

  // On a wall screen the list stands in the map's own hole, where there is one: so no tile has to make room.
  seat() {
    const section = byId("incidents");
    const { hole } = this.cells.layout;
    if (!hole) return;
    const names = ["--column", "--row", "--span", "--rows"];
    [hole[0] + 1, hole[1] + 1, hole[2], hole[3]].forEach((value, i) => section.style.setProperty(names[i], value));
    const place = document.createComment("");
    section.before(place);
    const wall = matchMedia("(min-width: 1600px)");
    const move = () => (wall.matches ? this.cells.root.prepend(section) : place.after(section));
    wall.addEventListener("change", move);
    move();
  }

  show({ total, rows, more, summary }) {
    put(byId("incidents-total"), number.format(total));
    put(byId("incidents-summary"), summary);
    put(byId("incidents-more"), total ? more : summary);
    const key = JSON.stringify(rows);
    if (key === this.shown) return;
    this.shown = key;
    this.rows = rows;
    this.draw();
    this.light();
  }

  // Items are kept as long as their incident is listed, so that neither the focus nor a click is lost.
  draw() {
    const before = new Map([...this.list.children].map((item) => [item.dataset.key, item]));
    const items = this.rows.map((row) => fillItem(before.get(row.key) ?? makeItem(row.key), row, this.words));
    const same = items.length === before.size && items.every((item, i) => item === this.list.children[i]);
    if (same) return;
    const focused = this.list.contains(document.activeElement) && document.activeElement;
    this.list.replaceChildren(...items);
    if (focused?.isConnected) focused.focus();
  }

  watch() {
    this.list.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.look(keyOf(event)));
    this.list.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.look(null));
    this.list.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && this.look(keyOf(event)));
    this.list.addEventListener("focusout", () => this.look(null));
    this.list.addEventListener("click", (event) => event.target.closest("button") && this.choose(keyOf(event)));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.choose(null));
  }

  look(key) {
    this.lookedAt = key;
    this.light();
  }

  choose(key) {
    this.chosen = key === this.chosen ? null : key;
    this.lookedAt = null;
    this.light();
  }

  light() {
    const row = (key) => this.rows.find((each) => each.key === key);
    if (!row(this.chosen)) this.chosen = null;
    for (const item of this.list.children)
      item.firstElementChild.setAttribute("aria-pressed", String(item.dataset.key === this.chosen));
    this.cells.light((row(this.lookedAt) ?? row(this.chosen))?.cells ?? []);
  }
}

const keyOf = (event) => event.target.closest("[data-key]")?.dataset.key ?? null;

const TAGS = { title: "b", since: "time" };
const TOLD = ["title", "since", "company", "points", "sure", "brief"];

function makeItem(key) {
  const item = document.createElement("li");
  item.dataset.key = key;
  const button = document.createElement("button");
  button.type = "button";
  for (const name of TOLD) {
    const node = document.createElement(TAGS[name] ?? "span");
    if (!TAGS[name]) node.className = name;
    button.append(node);
  }
  item.append(button, document.createElement("a"));
  return item;
}

function fillItem(item, row, words) {
  item.className = row.kind;
  const [button, link] = item.children;
  TOLD.forEach((name, i) => put(button.children[i], row[name]));
  put(link, words.incident_why);
  link.setAttribute("href", row.href);
  link.setAttribute("aria-label", `${words.incident_why}: ${row.title}`);
  return item;
}
