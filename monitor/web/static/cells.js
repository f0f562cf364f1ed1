// The tile map: a tile a district, a cell a point. Cells are made once; afterwards only those that change are touched.
import { fill, put } from "./clock.js";

const CONNECTED = "ug";
const DENSE = 90; // expected points a tile, from which cells are smaller

function make(tag, className, parent) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  parent?.append(node);
  return node;
}

export class Cells {
  constructor(root, layout, words, clock) {
    Object.assign(this, { root, layout, words, clock });
    const size = layout.ids.length;
    this.states = new Array(size).fill("");
    this.causes = new Array(size).fill("a");
    this.since = new Array(size).fill(0);
    this.nodes = new Array(size);
    this.tileOf = new Array(size);
    this.lit = new Set();
    this.tip = new Tip(this);
    root.style.setProperty("--columns", layout.columns || 6);
    const all = document.createDocumentFragment();
    this.tiles = [];
    let first = 0;
    for (const tile of layout.tiles) first = this.addTile(tile, first, all);
    const expected = layout.tiles.flatMap((tile) => tile.runs).reduce((sum, run) => sum + (run[1] ? run[2] : 0), 0);
    root.classList.toggle("dense", expected > DENSE * layout.tiles.length);
    root.append(all);
    this.watch();
  }

  addTile(tile, first, parent) {
    const node = make("section", tile.code ? "tile" : "tile home", parent);
    node.id = `tile-${tile.code || "home"}`;
    node.tabIndex = 0;
    node.setAttribute("role", "group");
    node.setAttribute("aria-describedby", "map-hint");
    if (tile.column >= 0) {
      node.classList.add("placed");
      node.style.setProperty("--column", tile.column + 1);
      node.style.setProperty("--row", tile.row + 1);
      node.style.setProperty("--span", tile.span);
    }
    const title = make("h3", "", node);
    make("span", "name", title).textContent = tile.short;
    const lost = make("span", "lost", title);
    const figure = make("span", "figure", title);
    const seat = { ...tile, node, lost, figure, first, last: first, counts: {} };
    const groups = {};
    for (const [tier, expected, count] of tile.runs) {
      const group = expected ? (tier === "village" ? "villages" : "halls") : "off";
      groups[group] ??= make("div", `cells ${group}`, node);
      this.addRun(seat, make("div", `run ${tier}`, groups[group]), count);
    }
    this.tiles.push(seat);
    return seat.last;
  }

  addRun(seat, run, count) {
    for (let i = 0; i < count; i += 1) {
      const cell = make("i", "cell", run);
      cell.dataset.n = seat.last;
      this.nodes[seat.last] = cell;
      this.tileOf[seat.last] = seat;
      seat.last += 1;
    }
  }

  showAll({ states, causes, epoch, since }) {
    const cells = [];
    for (let n = 0; n < states.length; n += 1) {
      const at = epoch + since[n];
      if (states[n] !== this.states[n] || causes[n] !== this.causes[n] || at !== this.since[n])
        cells.push([n, states[n], causes[n], at]);
    }
    this.show(cells);
  }

  show(cells) {
    const touched = new Set();
    for (const [n, state, cause, since] of cells) {
      this.causes[n] = cause;
      this.since[n] = since;
      const before = this.states[n];
      if (state === before) continue;
      this.states[n] = state;
      this.nodes[n].className = `cell ${state}`;
      const seat = this.tileOf[n];
      if (before) seat.counts[before] -= 1;
      seat.counts[state] = (seat.counts[state] ?? 0) + 1;
      touched.add(seat);
    }
    for (const seat of touched) this.label(seat);
    this.tip.refresh();
  }

  // Make these cells stand out from all others; none at all: as it was.
  light(cells) {
    const lit = new Set(cells);
    const dark = [...this.lit].filter((n) => !lit.has(n));
    for (const n of dark) this.nodes[n]?.removeAttribute("data-lit");
    for (const n of lit) if (!this.lit.has(n)) this.nodes[n]?.setAttribute("data-lit", "");
    this.lit = lit;
    const seats = new Set(cells.map((n) => this.tileOf[n]));
    for (const seat of this.tiles) seat.node.toggleAttribute("data-lit", seats.has(seat));
    this.root.toggleAttribute("data-lit", lit.size > 0);
  }

  label({ node, name, lost, figure, counts, first, last }) {
    const of = (code) => counts[code] ?? 0;
    const expected = last - first - of("x");
    const up = of(CONNECTED[0]) + of(CONNECTED[1]);
    const down = of("d");
    const known = up + down > 0 || expected === 0;
    put(figure, `${known ? up : "–"}/${expected}`);
    put(lost, down ? String(down) : "");
    node.classList.toggle("has-down", down > 0);
    node.classList.toggle("has-degraded", !down && of("g") > 0);
    const form = this.words[down ? "tile_label" : known ? "tile_label_quiet" : "tile_label_unknown"];
    node.setAttribute("aria-label", fill(form, { name, up, expected, down }));
  }

  watch() {
    const cellAt = (event) => event.target.closest?.(".cell[data-n]");
    const number = (cell) => Number(cell.dataset.n);
    this.root.addEventListener("pointerover", (event) => {
      const cell = cellAt(event);
      if (cell && event.pointerType === "mouse") this.tip.show(number(cell));
    });
    this.root.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.tip.hide();
    });
    this.root.addEventListener("click", (event) => {
      const cell = cellAt(event);
      if (!cell) return;
      if (event.pointerType === "touch") this.tip.show(number(cell));
      else this.open(number(cell));
    });
    this.root.addEventListener("keydown", (event) => this.press(event));
    this.root.addEventListener("focusout", (event) => {
      if (!this.tip.node.contains(event.relatedTarget)) this.tip.hide();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!event.target.closest(".tip, .tiles")) this.tip.hide();
    });
  }

  press(event) {
    const seat = this.tiles.find((tile) => tile.node === event.target);
    if (!seat || event.altKey || event.ctrlKey || event.metaKey) return;
    const inside = this.tip.n >= seat.first && this.tip.n < seat.last;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) this.tip.show(inside ? Math.min(seat.last - 1, Math.max(seat.first, this.tip.n + step)) : this.worst(seat));
    else if (event.key === "Enter" && inside) this.open(this.tip.n);
    else if (event.key === "Escape") this.tip.hide();
    else return;
    event.preventDefault();
  }

  // Where the arrow keys begin: at what is down, else at the first cell.
  worst(seat) {
    const down = this.states.indexOf("d", seat.first);
    return down >= 0 && down < seat.last ? down : seat.first;
  }

  href(n) {
    return `/points/${encodeURIComponent(this.layout.ids[n])}`;
  }

  open(n) {
    location.assign(this.href(n));
  }
}

// What is said of the cell under the mouse, the finger or the arrow keys.
class Tip {
  constructor(cells) {
    this.cells = cells;
    this.node = document.getElementById("tip");
    [this.name, this.told, this.link] = this.node.children;
    this.n = -1;
  }

  show(n) {
    this.cells.nodes[this.n]?.classList.remove("chosen");
    this.n = n;
    this.cells.nodes[n].classList.add("chosen");
    this.refresh();
    this.node.hidden = false;
    this.place(this.cells.nodes[n].getBoundingClientRect());
  }

  refresh() {
    if (this.n < 0) return;
    const { states, causes, since, layout, words, clock } = this.cells;
    const cause = words.causes[causes[this.n]];
    const state = words.states[states[this.n]] + (cause ? ` (${cause})` : "");
    const from = states[this.n] === "x" ? "" : ` ${fill(words.since, { at: clock.moment(since[this.n]) })}`;
    this.cells.nodes[this.n].classList.add("chosen");
    put(this.name, layout.names[this.n]);
    put(this.told, state + from);
    this.link.href = this.cells.href(this.n);
  }

  place(cell) {
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const left = Math.min(Math.max(8, cell.left + cell.width / 2 - width / 2), innerWidth - width - 8);
    const above = cell.top - height - 8;
    const top = above > 8 ? above : cell.bottom + 8;
    this.node.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hide() {
    this.cells.nodes[this.n]?.classList.remove("chosen");
    this.n = -1;
    this.node.hidden = true;
  }
}
