// Numbers, lists and the banner: everything but the map.
import { fill, put } from "./clock.js";

const number = new Intl.NumberFormat("vi-VN");
const byId = (id) => document.getElementById(id);

export class Figures {
  constructor(words, clock) {
    Object.assign(this, { words, clock });
    this.root = document.documentElement;
    this.states = new Map([...document.querySelectorAll("[data-state]")].map((node) => [node.dataset.state, node]));
    this.tiers = new Map([...document.querySelectorAll("[data-tier]")].map((row) => [row.dataset.tier, row]));
    this.bar = byId("bar").firstElementChild;
    this.suffix = document.title.slice(document.title.indexOf(" "));
    this.staleSince = null;
    this.lists = {};
  }

  show(head) {
    this.blind = head.blind;
    this.root.toggleAttribute("data-blind", Boolean(head.blind));
    put(byId("ready"), head.blind ? "–" : number.format(head.ready));
    put(byId("expected"), number.format(head.expected));
    put(byId("phase"), head.phase);
    this.bar.setAttribute("width", String(head.blind ? 0 : (1000 * head.ready) / (head.expected || 1)));
    document.title = `${head.blind ? "–" : number.format(head.ready)}/${number.format(head.expected)}${this.suffix}`;
    for (const [code, count] of Object.entries(head.states)) put(this.states.get(code), number.format(count));
    for (const tier of head.tiers) this.showTier(tier);
    this.showList("down", head.down);
    this.showList("alerts", head.alerts);
    put(byId("down-summary"), head.down.summary);
    put(byId("why"), head.why);
    this.showBanner();
  }

  showTier({ tier, expected, ready, states }) {
    const row = this.tiers.get(tier);
    if (!row) return;
    const values = { expected, ready, ...states };
    for (const cell of row.cells) {
      const { figure } = cell.dataset;
      if (!figure) continue;
      put(cell, this.blind && figure === "ready" ? "–" : number.format(values[figure]));
      cell.classList.toggle("zero", figure in states && !values[figure]);
    }
  }

  showList(name, { total, rows, more, summary }) {
    put(byId(`${name}-total`), number.format(total));
    const empty = name === "down" ? summary : this.words.alerts_none;
    put(byId(`${name}-more`), total ? more : empty);
    const key = JSON.stringify(rows);
    if (this.lists[name] === key) return;
    this.lists[name] = key;
    const list = byId(`${name}-rows`);
    const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    list.replaceChildren(...rows.map(makeRow));
    if (focused) [...list.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
  }

  showLink(link) {
    const before = this.root.dataset.link;
    if (link === before) return;
    this.root.dataset.link = link;
    this.staleSince = link === "stale" ? this.clock.head.at : null;
    put(byId("link"), this.words[link === "stale" ? "disconnected" : link]);
    this.showBanner();
  }

  // That the page is stale comes before all that it says.
  showBanner() {
    const stale = this.staleSince !== null && fill(this.words.stale, { since: this.clock.moment(this.staleSince) });
    const banner = byId("banner");
    put(banner, stale || this.blind || "");
    banner.hidden = !(stale || this.blind);
  }
}

function makeRow({ title, detail, since, href, kind }) {
  const item = document.createElement("li");
  if (kind) item.className = kind;
  const body = document.createElement(href ? "a" : "div");
  if (href) body.setAttribute("href", href);
  for (const [tag, text] of [["b", title], ["time", since], ["span", detail]]) {
    if (!text) continue;
    const node = document.createElement(tag);
    node.textContent = text;
    body.append(node);
  }
  item.append(body);
  return item;
}
