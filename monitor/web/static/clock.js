// The server's clock, kept running between its messages; the countdowns; how an instant is written.
const DAY_S = 86400;
const two = (number) => String(Math.floor(number)).padStart(2, "0");

export class Clock {
  constructor(words) {
    this.words = words;
    const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    this.time = new Intl.DateTimeFormat("vi-VN", { ...time, timeZone: words.timezone });
    this.day = new Intl.DateTimeFormat("vi-VN", { day: "2-digit", month: "2-digit", timeZone: words.timezone });
    this.ahead = 0;
    this.head = null;
    this.nodes = Object.fromEntries(["clock", "report", "begin"].map((id) => [id, document.getElementById(id)]));
    this.run();
  }

  get now() {
    return performance.now() / 1000 + this.ahead;
  }

  set(head) {
    this.ahead = head.at - performance.now() / 1000;
    this.head = head;
    this.show();
  }

  run() {
    this.show();
    setTimeout(() => this.run(), 1010 - ((this.now * 1000) % 1000));
  }

  show() {
    if (!this.head) return;
    const { report_at, begins_at, report, begins } = this.head;
    put(this.nodes.clock, this.time.format(this.now * 1000));
    put(this.nodes.report, this.until("report", report_at, report));
    put(this.nodes.begin, this.until("begin", begins_at, begins));
  }

  until(what, at, told) {
    const left = at - this.now;
    const form = this.words[left > 0 ? `${what}_left` : `${what}_over`];
    return fill(form, { left: this.span(left), at: told });
  }

  span(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const clock = `${two((s % DAY_S) / 3600)}:${two((s % 3600) / 60)}:${two(s % 60)}`;
    return s >= DAY_S ? fill(this.words.days, { days: Math.floor(s / DAY_S), clock }) : clock;
  }

  moment(at) {
    const time = this.time.format(at * 1000);
    const day = this.day.format(at * 1000);
    return day === this.day.format(this.now * 1000) ? time : `${time} ${day}`;
  }
}

export function fill(form, values) {
  return form.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// Touch the page only where something is different.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
