// What each district lacks: whom to call, a reminder at one tap, and the points themselves, opened in place.
import { fill, put } from "./clock.js";

const SHOWN = 20; // points in a card; the table has them all

export class Districts {
  constructor(people, words, sheet, showAll) {
    Object.assign(this, { people, words, sheet, showAll, cards: new Map() });
    this.number = new Intl.NumberFormat("vi-VN");
    this.list = document.getElementById("districts");
    this.said = document.getElementById("told");
  }

  has(code) {
    return this.cards.has(code);
  }

  show(districts) {
    districts.forEach((district, n) => {
      const card = this.cards.get(district.code) ?? this.make(district);
      this.fill(card, district);
      if (this.list.children[n] !== card.node) this.list.insertBefore(card.node, this.list.children[n] ?? null);
    });
  }

  make({ code, name }) {
    const card = { node: element("li"), open: false, place: this.people.places.findIndex(([known]) => known === code) };
    const [head, bar, actions] = [element("p", "name"), element("div", "bar"), element("p", "do")];
    Object.assign(card, { title: element("span"), count: element("span"), filled: element("i") });
    Object.assign(card, { lacks: element("p", "lacks"), desk: element("p", "desk"), points: element("ul", "members") });
    Object.assign(card, { look: element("button", "button"), remind: element("button", "button") });
    put(card.title, name);
    put(card.look, this.words.readiness_show);
    put(card.remind, this.words.readiness_remind);
    card.points.id = `members-${card.place}`;
    card.points.hidden = true;
    card.look.setAttribute("aria-controls", card.points.id);
    card.look.ariaExpanded = "false";
    card.look.addEventListener("click", () => this.toggle(card));
    card.remind.addEventListener("click", () => this.ask(code, name, card.remind));
    head.append(card.title, card.count);
    bar.append(card.filled);
    actions.append(card.look);
    if (this.words.may_remind) actions.append(card.remind);
    card.node.append(head, bar, card.lacks, card.desk, actions, card.points);
    this.cards.set(code, card);
    return card;
  }

  fill(card, district) {
    const missing = district.expected - district.ready;
    const lacks = district.lacks.map(([code, n]) => `${this.words.lacks[code]} ${this.number.format(n)}`).join(" · ");
    put(card.count, `${this.number.format(district.ready)}/${this.number.format(district.expected)}`);
    put(card.lacks, missing ? lacks : this.words.readiness_all_ready);
    card.filled.style.transform = `scaleX(${district.ready / Math.max(1, district.expected)})`;
    card.node.classList.toggle("all", !missing);
    card.remind.hidden = card.look.hidden = !missing;
    if (!missing) card.open = false;
    this.fillDesk(card, district);
    this.fillPoints(card);
  }

  fillDesk(card, { desk, phone }) {
    if (card.told === `${desk}|${phone}`) return;
    card.told = `${desk}|${phone}`;
    card.desk.replaceChildren(desk);
    if (!phone) return;
    const call = element("a", "", phone);
    call.href = `tel:${phone.replace(/[^+\d]/g, "")}`;
    card.desk.append(" · ", call);
  }

  toggle(card) {
    card.open = !card.open;
    this.fillPoints(card);
  }

  fillPoints(card) {
    card.look.ariaExpanded = String(card.open);
    card.points.hidden = !card.open;
    if (!card.open) return;
    const missing = this.sheet.missing(card.place);
    const drawn = missing.slice(0, SHOWN).map((n) => `${n} ${this.sheet.told(n)}`).join("|") + missing.length;
    if (card.drawn === drawn) return;
    card.drawn = drawn;
    card.points.replaceChildren(...missing.slice(0, SHOWN).map((n) => this.makePoint(n)));
    if (missing.length > SHOWN) card.points.append(this.makeMore(card, missing.length));
  }

  makePoint(n) {
    const [item, link] = [element("li"), element("a", "", this.people.names[n])];
    link.href = `/points/${encodeURIComponent(this.people.ids[n])}`;
    item.append(link, element("span", "lacks", this.sheet.told(n)));
    return item;
  }

  makeMore(card, count) {
    const [item, more] = [element("li"), element("button", "button", fill(this.words.readiness_in_table, { n: this.number.format(count) }))];
    more.addEventListener("click", () => this.showAll(card.place));
    item.append(more);
    return item;
  }

  async ask(code, name, button) {
    button.disabled = true;
    let told = this.words.readiness_failed;
    try {
      const answer = await fetch("/readiness/remind", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": this.words.csrf },
        body: JSON.stringify(code),
        signal: AbortSignal.timeout(10000),
      });
      told = (await answer.json()).told ?? told;
    } catch { /* said below */ }
    put(this.said, `${name}: ${told}`);
    setTimeout(() => { button.disabled = false; }, 3000);
  }
}

function element(name, className = "", text = "") {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  if (name === "button") node.type = "button";
  return node;
}
