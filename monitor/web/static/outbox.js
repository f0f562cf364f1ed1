// What is to be sent to the centre: kept in the browser until the centre has said that it has it, and sent in order.
// It outlives the page where the browser lets it; an entry has a key of its own, so that no two tabs undo each other.
const WAITS_MS = [1000, 2000, 4000, 8000, 16000, 30000];
const LONGEST_WAIT_MS = 60000;
const ANSWER_WITHIN_MS = 10000;
const OLDEST_S = 7 * 86400;
const LATER = new Set([408, 425, 429]);
const GONE = 404;

const life = draw(8); // of this page: its steady clock says nothing in another one

// A name that nobody else draws; crypto.randomUUID is not there on pages without https.
export function draw(bytes = 16) {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

class Shelf {
  constructor(prefix) {
    this.prefix = prefix;
    this.memory = new Map(); // what the browser refuses to keep
  }

  put(name, entry) {
    try {
      localStorage.setItem(this.prefix + name, JSON.stringify(entry));
    } catch {
      this.memory.set(this.prefix + name, entry);
    }
  }

  drop(key) {
    this.memory.delete(key);
    try {
      localStorage.removeItem(key);
    } catch { /* then it was never there */ }
  }

  // [key, entry], the first one first.
  all() {
    const found = new Map(this.memory);
    try {
      for (const key of Object.keys(localStorage).filter((each) => each.startsWith(this.prefix))) {
        const entry = parse(localStorage.getItem(key));
        if (entry?.draft) found.set(key, entry);
      }
    } catch { /* refused */ }
    return [...found].sort(([one], [other]) => (one < other ? -1 : 1));
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // not written by us
  }
}

export class Outbox {
  // name: whom this page speaks for, the same with another link; base: what paths of entries begin with.
  constructor(name, base, tell = () => {}) {
    Object.assign(this, { base, tell, forms: new Map(), refusals: new Map(), failures: 0, busy: false, gone: false });
    this.ahead = null; // the server's clock before our steady one, once it is known
    this.shelf = new Shelf(`diemcau:${name}:`);
    addEventListener("online", () => this.hurry());
    addEventListener("pageshow", () => this.hurry());
    addEventListener("storage", () => this.show());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  // A form that wants to know what becomes of the entries to a path.
  join(to, form) {
    this.forms.set(to, form);
  }

  add(to, draft) {
    const all = this.shelf.all();
    const last = Number(all.at(-1)?.[1].number ?? 0);
    const number = Math.max(Date.now(), last + 1);
    const server = this.ahead === null ? null : this.now;
    const entry = { to, draft, number, server, wall: Date.now(), life, steady: performance.now() };
    this.shelf.put(`${String(number).padStart(16, "0")}:${draft.entry}`, entry);
    this.refusals.delete(to);
    this.failures = 0;
    this.hurry();
  }

  // The entries to a path that are still to be sent, the first one first.
  waiting(to) {
    return this.shelf.all().map(([, entry]) => entry).filter((entry) => entry.to === to);
  }

  // How many wait, by path.
  get counts() {
    const counts = new Map();
    for (const [, { to }] of this.shelf.all()) counts.set(to, (counts.get(to) ?? 0) + 1);
    return counts;
  }

  get failing() {
    return this.failures > 0 || !navigator.onLine;
  }

  // Whether what waits would be lost with the page.
  get fleeting() {
    return this.shelf.memory.size > 0;
  }

  // The server's clock, in seconds; meaningful once it was heard.
  get now() {
    return performance.now() / 1000 + this.ahead;
  }

  hear(now) {
    this.ahead = now - performance.now() / 1000;
  }

  // The line may be back: do not wait any longer.
  hurry() {
    clearTimeout(this.timer);
    this.flush();
  }

  async flush() {
    if (this.busy || this.gone) return;
    this.busy = true;
    this.show();
    try {
      for (let [first] = this.shelf.all(); first && !this.gone; [first] = this.shelf.all()) {
        await this.send(...first);
        this.failures = 0;
        this.show();
      }
    } catch (failure) {
      this.later(failure);
    }
    this.busy = false;
    this.show();
  }

  later(failure) {
    const wait = WAITS_MS[Math.min(this.failures, WAITS_MS.length - 1)] * (0.5 + Math.random() / 2);
    this.failures += 1;
    const asked = Math.min(1000 * (failure.after ?? 0), LONGEST_WAIT_MS);
    this.timer = setTimeout(() => this.flush(), Math.max(wait, asked));
  }

  // Throws when it is to be tried again: nobody has answered, or not as the centre does.
  async send(key, entry) {
    const { to, draft } = entry;
    const answer = await fetch(`${this.base}/${to}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...draft, age_s: this.age(key, entry) }),
      keepalive: true,
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    if (answer.status >= 500 || LATER.has(answer.status)) throw Object.assign(new Error(), { after: Number(answer.headers.get("Retry-After")) || 0 });
    const told = await answer.json();
    if (answer.ok) {
      if (told.kept?.entry !== draft.entry) throw new Error("not the centre");
      this.shelf.drop(key);
      this.hear(told.now);
      this.forms.get(to)?.kept(told);
    } else if (answer.status === GONE) {
      this.gone = true; // with another link it is sent after all
    } else {
      this.shelf.drop(key);
      this.refuse(to, { ...told, draft });
    }
  }

  refuse(to, refusal) {
    const form = this.forms.get(to);
    if (form) form.refused(refusal);
    else this.refusals.set(to, refusal);
  }

  // How many seconds ago it was entered: never later than what was entered after it.
  age(key, { to }) {
    const since = this.shelf.all().filter(([other, entry]) => other >= key && entry.to === to);
    const ages = since.map(([, entry]) => this.ageOf(entry));
    return Math.min(Math.max(0, ...ages), OLDEST_S);
  }

  ageOf({ life: of, steady, server, wall }) {
    if (of === life) return (performance.now() - steady) / 1000;
    return server !== null && this.ahead !== null ? this.now - server : (Date.now() - wall) / 1000;
  }

  show() {
    for (const form of this.forms.values()) form.show();
    this.tell();
  }
}
