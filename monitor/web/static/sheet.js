// All points in a table of which only the rows in sight are drawn; found, filtered, sorted, walked through by keyboard.
import { plain } from "./search.js";

const OVER = 6; // rows drawn beyond both edges
const [READY, , LATE] = [1, 2, 4];
const [SOUND, APART] = [1000, 2000]; // beyond every code of a lack
const [STATE, LACKS, FLAGS, DELEGATES, ATTENDEES, AT] = [1, 2, 3, 4, 5, 6];

export class Sheet {
  constructor(sheet, words, clock) {
    Object.assign(this, { sheet, words, clock, rows: [], order: [], at: 0, key: "place", down: false });
    this.number = new Intl.NumberFormat("vi-VN");
    this.compare = new Intl.Collator("vi", { numeric: true }).compare;
    this.view = document.getElementById("window");
    this.tall = document.getElementById("tall");
    this.filters = Object.fromEntries(["find", "only", "tier", "place"].map((id) => [id, document.getElementById(id)]));
    this.sought = sheet.names.map((name, n) => plain(`${name} ${sheet.ids[n]} ${sheet.places[sheet.districts[n]][1]}`));
    this.drawn = new Map();
    sheet.places.forEach(([, name], n) => this.filters.place.add(new Option(name, n)));
    for (const filter of Object.values(this.filters)) filter.addEventListener("input", () => this.arrange(true));
    this.filters.find.form.addEventListener("submit", (event) => event.preventDefault());
    document.querySelectorAll("[data-sort]").forEach((head) => head.addEventListener("click", () => this.sort(head.dataset.sort)));
    this.view.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.view);
    document.addEventListener("keydown", (event) => this.press(event));
  }

  showAll(rows) {
    this.rows = rows;
    this.arrange(false);
  }

  show(rows) {
    for (const row of rows) this.rows[row[0]] = row;
    if (rows.length) this.arrange(false);
  }

  only(place, filter) {
    this.filters.place.value = place;
    this.filters.only.value = filter;
    this.filters.find.value = "";
    this.arrange(true);
  }

  sort(key) {
    this.down = this.key === key ? !this.down : ["delegates", "attendees", "at"].includes(key);
    this.key = key;
    this.arrange(true);
  }

  fits(n) {
    const { only, tier, place } = this.filters;
    const row = this.rows[n];
    const takesPart = this.sheet.hosts[n] === -1;
    if (tier.value !== "" && this.sheet.tiers[n] !== +tier.value) return false;
    if (place.value !== "" && this.sheet.districts[n] !== +place.value) return false;
    if (!this.sought[n].includes(this.wanted)) return false;
    if (only.value === "all") return true;
    if (!takesPart) return false;
    if (only.value === "missing") return !(row[FLAGS] & READY);
    if (only.value === "ready") return (row[FLAGS] & READY) > 0;
    if (only.value === "late") return (row[FLAGS] & LATE) > 0;
    return only.value === "expected" || row[LACKS].includes(only.value.slice(5));
  }

  // Numbers of the points of a district that take part and are not ready.
  missing(place) {
    return this.rows.map((row) => row[0]).filter((n) => this.sheet.districts[n] === place && this.gravity(n) < SOUND);
  }

  // The gravest first: by what it lacks, ready ones after all that lack, then those that take no part.
  gravity(n) {
    if (this.sheet.hosts[n] !== -1) return APART;
    return this.rows[n][FLAGS] & READY ? SOUND : this.rows[n][LACKS].charCodeAt(0) || 0;
  }

  // Names are compared once: their order never changes, and a collator is too slow for each push.
  get ranks() {
    if (!this.ranked) {
      const named = this.sheet.names.map((_, n) => n).sort((a, b) => this.compare(this.sheet.names[a], this.sheet.names[b]));
      this.ranked = new Uint32Array(named.length);
      named.forEach((n, rank) => { this.ranked[n] = rank; });
    }
    return this.ranked;
  }

  arrange(again) {
    this.wanted = plain(this.filters.find.value.trim());
    const order = this.rows.map((row) => row[0]).filter((n) => this.fits(n));
    const of = {
      name: (n) => this.ranks[n],
      place: (n) => n,
      state: (n) => this.gravity(n),
      delegates: (n) => this.rows[n][DELEGATES],
      attendees: (n) => this.rows[n][ATTENDEES],
      at: (n) => this.rows[n][AT],
    }[this.key];
    order.sort((a, b) => of(a) - of(b));
    if (this.down) order.reverse();
    this.order = order;
    if (again) Object.assign(this, { at: 0 }) && (this.view.scrollTop = 0);
    document.querySelectorAll("[data-sort]").forEach((head) => {
      head.ariaSort = head.dataset.sort === this.key ? (this.down ? "descending" : "ascending") : "none";
    });
    document.getElementById("rows").textContent = this.words.readiness_rows.replace("{n}", this.number.format(order.length));
    this.draw();
  }

  told(n) {
    const row = this.rows[n];
    const host = this.sheet.hosts[n];
    if (host === -2) return this.words.readiness_no_coverage;
    if (host >= 0) return this.words.readiness_merged.replace("{host}", this.sheet.names[host]);
    if (row[FLAGS] & READY) return this.words.readiness_ready;
    return Array.from(row[LACKS], (code) => this.words.lacks[code]).join(", ");
  }

  draw() {
    const height = matchMedia("(max-width: 50rem)").matches ? 64 : 40;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const step = height * rem;
    this.step = step;
    this.tall.style.height = `${this.order.length * step}px`;
    const first = Math.max(0, Math.floor(this.view.scrollTop / step) - OVER);
    const last = Math.min(this.order.length, Math.ceil((this.view.scrollTop + this.view.clientHeight) / step) + OVER);
    const wanted = new Set(this.order.slice(first, last));
    for (const [n, node] of this.drawn) {
      if (wanted.has(n)) continue;
      node.remove();
      this.drawn.delete(n);
    }
    for (let place = first; place < last; place += 1) {
      const node = this.drawRow(this.order[place], place, step);
      const there = this.tall.children[place - first];
      if (there !== node) this.tall.insertBefore(node, there ?? null); // in the order in which they are read aloud
    }
  }

  drawRow(n, place, step) {
    const node = this.drawn.get(n) ?? this.make(n);
    const row = this.rows[n];
    node.style.top = `${place * step}px`;
    node.ariaRowIndex = place + 1;
    node.ariaSelected = place === this.at && document.activeElement === this.view;
    const part = node.children;
    const takesPart = this.sheet.hosts[n] === -1;
    node.className = `point ${row[FLAGS] & READY ? "ready" : takesPart ? "lacking" : "apart"}`;
    part[0].firstElementChild.className = `cell ${row[STATE]}`;
    set(part[2], this.told(n));
    set(part[3], row[DELEGATES] < 0 ? "" : this.number.format(row[DELEGATES]));
    set(part[4], row[ATTENDEES] < 0 ? "" : this.number.format(row[ATTENDEES]));
    const late = row[FLAGS] & LATE ? ` ${this.words.readiness_late}` : "";
    set(part[5], row[AT] < 0 ? "" : this.clock.moment(row[AT]).slice(0, 5) + late);
    return node;
  }

  make(n) {
    const node = document.createElement("a");
    node.href = `/points/${encodeURIComponent(this.sheet.ids[n])}`;
    node.role = "row";
    node.tabIndex = -1;
    for (const name of ["name", "place", "state", "delegates", "attendees", "at"]) {
      const cell = document.createElement("span");
      cell.className = name;
      cell.role = "gridcell";
      node.append(cell);
    }
    node.children[0].append(document.createElement("i"), ` ${this.sheet.names[n]}`);
    node.children[0].title = this.sheet.names[n];
    node.children[1].textContent = this.sheet.places[this.sheet.districts[n]][1];
    this.drawn.set(n, node);
    return node;
  }

  press(event) {
    const { find } = this.filters;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing) find.focus();
    else if (event.key === "Escape" && event.target === find) {
      find.value = "";
      this.arrange(true);
    } else if (event.key === "ArrowDown" && event.target === find) this.view.focus();
    else if (event.target === this.view && this.walk(event.key)) { /* done */ }
    else return;
    event.preventDefault();
  }

  walk(key) {
    const page = Math.max(1, Math.floor(this.view.clientHeight / this.step) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (key === "Enter") {
      const node = this.drawn.get(this.order[this.at]);
      if (node) location.assign(node.href);
      return true;
    }
    if (!(key in steps)) return false;
    this.at = Math.min(this.order.length - 1, Math.max(0, this.at + steps[key]));
    const top = this.at * this.step;
    if (top < this.view.scrollTop) this.view.scrollTop = top;
    else if (top + this.step > this.view.scrollTop + this.view.clientHeight) this.view.scrollTop = top + this.step - this.view.clientHeight;
    this.draw();
    return true;
  }
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
