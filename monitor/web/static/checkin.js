// The form by which a point reports, on its own page and on its coordinator's.
import { fill, put } from "./clock.js";
import { draw } from "./outbox.js";

const ANSWER_WITHIN_MS = 10000;
const MOST_PEOPLE = 20000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const NOT_PRINTABLE = /(?!\n)[\p{C}\u2028\u2029]/gu;

export class CheckInForm {
  // to: the path below the outbox's base where reports go, and where is told what holds.
  constructor(form, to, tier, outbox, words) {
    Object.assign(this, { form, to, outbox, words, dirty: false, holding: null, sent: null, wrong: "" });
    const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: words.timezone };
    this.time = new Intl.DateTimeFormat("vi-VN", time);
    this.day = new Intl.DateTimeFormat("vi-VN", { day: "2-digit", month: "2-digit", timeZone: words.timezone });
    form.elements.chair.setAttribute("list", `chairs-${tier}`);
    form.addEventListener("input", () => {
      this.dirty = true;
      this.show();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    const waiting = outbox.waiting(to).at(-1);
    if (waiting) this.write(waiting.draft);
    outbox.join(to, this);
    if (outbox.refusals.has(to)) this.refused(outbox.refusals.get(to));
    this.look();
  }

  submit() {
    const { draft, field } = this.read();
    if (field) return this.blame(field, this.words[`checkin_wrong_${field}`]);
    this.blame("", "");
    this.dirty = false;
    this.sent = null;
    if (!this.repeats(draft)) this.outbox.add(this.to, { entry: draw(), ...draft });
  }

  // Tapped twice: the same waits already.
  repeats(draft) {
    const last = this.outbox.waiting(this.to).at(-1)?.draft;
    return last !== undefined && Object.keys(draft).every((name) => last[name] === draft[name]);
  }

  // What the form says, or the first field that cannot be right; the server looks again.
  read() {
    const { picture, sound, delegates, attendees, chair, power, note } = this.form.elements;
    const counts = { delegates: people(delegates.value), attendees: people(attendees.value) };
    const draft = {
      picture: picture.checked,
      sound: sound.checked,
      ...counts,
      chair: plain(chair.value).replace(/\s+/g, " ").trim(),
      power: power.value || null,
      note: plain(note.value).trim(),
    };
    const bad = Object.keys(counts).find((name) => Number.isNaN(counts[name]));
    const fewer = counts.attendees !== null && counts.delegates !== null && counts.attendees < counts.delegates;
    return { draft, field: bad ?? (fewer ? "attendees" : "") };
  }

  write(report) {
    const { elements } = this.form;
    for (const name of ["picture", "sound"]) elements[name].checked = report[name];
    for (const name of ["delegates", "attendees", "chair", "note"]) elements[name].value = report[name] ?? "";
    for (const choice of elements.power) choice.checked = choice.value === report.power;
  }

  // What holds now, also when somebody else has said it.
  async look() {
    try {
      const answer = await fetch(`${this.outbox.base}/${this.to}`, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
      if (answer.ok) this.take(await answer.json());
    } catch { /* the next look will tell */ }
    this.show();
  }

  take(holding) {
    this.outbox.hear(holding.now);
    const other = holding.report?.entry !== this.holding?.report?.entry;
    this.holding = holding;
    if (holding.report && other && !this.dirty && !this.outbox.waiting(this.to).length) this.write(holding.report);
    const left = 1000 * (holding.deadline - holding.now);
    clearTimeout(this.timer);
    if (left > 0 && left < LONGEST_TIMER_MS) this.timer = setTimeout(() => this.show(), left + 50);
  }

  // The centre has this one.
  kept(holding) {
    this.sent = holding.kept.entry === holding.report?.entry ? null : holding.kept;
    this.take(holding);
  }

  // The centre will never take it: it stands in the form again, to be put right.
  refused({ draft, field = "", error }) {
    if (!this.dirty) this.write(draft);
    this.dirty = true;
    this.blame(field, error ?? this.words.checkin_wrong_field);
  }

  blame(field, why) {
    this.wrong = why;
    for (const input of this.form.elements) {
      if (input.name) input.toggleAttribute("aria-invalid", input.name === field);
    }
    this.show();
    const first = field && this.form.querySelector(`[name="${CSS.escape(field)}"]`);
    if (first) first.focus();
  }

  show() {
    const { form, outbox, holding } = this;
    const [state, told] = this.standing();
    form.dataset.state = state;
    put(this.part("said"), told);
    put(this.part("wrong"), this.wrong);
    this.part("wrong").hidden = !this.wrong;
    this.part("overdue").hidden = !holding || outbox.now < holding.deadline;
    form.querySelector("button").disabled = state === "closed" || state === "gone";
  }

  part(name) {
    return this.form.querySelector(`[data-part="${name}"]`);
  }

  // How it stands: a word for the style sheet and a sentence for people.
  standing() {
    const { words, outbox, holding, sent } = this;
    const waiting = outbox.waiting(this.to).length;
    if (outbox.gone) return ["gone", words.page_revoked];
    if (holding?.closed) return ["closed", holding.closed];
    if (waiting && !outbox.failing) return ["sending", words.checkin_sending];
    if (waiting) return ["waiting", fill(outbox.fleeting ? words.checkin_waiting_open : words.checkin_waiting, { n: waiting })];
    if (sent) return ["superseded", fill(words.checkin_superseded, { at: this.moment(sent.received_at), by: holding.told_by })];
    if (holding?.report && this.dirty) return ["dirty", `${this.receipt(holding)} · ${words.checkin_dirty}`];
    if (holding?.report) return ["kept", this.receipt(holding)];
    return holding ? ["none", words.checkin_none] : ["loading", words.checkin_loading];
  }

  receipt({ report, told_by: by }) {
    const at = fill(this.words.checkin_kept, { at: this.moment(report.received_at) });
    return [at, report.late && this.words.checkin_late, by].filter(Boolean).join(" · ");
  }

  moment(at) {
    const [time, day] = [this.time.format(at * 1000), this.day.format(at * 1000)];
    return day === this.day.format(this.outbox.now * 1000) ? time : `${time} ${day}`;
  }
}

// A whole number as people write it, 1.018 among them; null for none, NaN for what is none.
function people(text) {
  const digits = text.replace(/[\s.]/g, "");
  if (!digits) return null;
  return /^\d{1,6}$/.test(digits) && Number(digits) <= MOST_PEOPLE ? Number(digits) : NaN;
}

// What was pasted from elsewhere, without what cannot be seen.
function plain(text) {
  return text.normalize("NFC").replace(/\r\n?/g, "\n").replace(/[\t\p{Zs}]/gu, " ").replace(NOT_PRINTABLE, "");
}
