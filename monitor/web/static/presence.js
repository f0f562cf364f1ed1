// The point's own page: wires the pulse, the machine it runs on, and what is shown.
import { CheckInForm } from "./checkin.js";
import { fill, put } from "./clock.js";
import { Outbox } from "./outbox.js";
import { Pulse } from "./pulse.js";
import { keepAwake, watchBattery } from "./site.js";

const UNANSWERED_MS = 8000;
const LOOK_EVERY_MS = 60000;
const words = JSON.parse(document.getElementById("words").textContent);
const time = new Intl.DateTimeFormat("vi-VN", { timeStyle: "medium", hourCycle: "h23", timeZone: words.timezone });
const number = new Intl.NumberFormat("vi-VN", { maximumFractionDigits: 1 });
const percent = (ratio) => `${number.format(100 * ratio)} %`;
const milliseconds = (ms) => `${number.format(ms < 100 ? ms : Math.round(ms))} ms`;
const byId = (id) => document.getElementById(id);
const root = document.documentElement;
const name = byId("name").textContent;

let battery = null;
let plugged = false;
let seen = null;
let status = "connecting";

const pulse = new Pulse(location.pathname, {
  say: () => ({ ...battery, visible: document.visibilityState === "visible" }),
  hear: (what) => { seen = what; },
  tell: (how) => {
    status = how;
    seen = null; // what was seen before says nothing of now
    if (how === "connected") outbox?.hurry();
    showAll();
  },
});

// How it stands, in one word for the style sheet and one sentence for people.
function standing() {
  if (status !== "again" && status !== "connecting") return [status, words[`page_${status}`]];
  if (!navigator.onLine) return ["offline", words.page_offline];
  if (performance.now() - pulse.downSince > UNANSWERED_MS) return ["unanswered", words.page_unanswered];
  return status === "connecting" ? ["connecting", words.page_connecting] : ["again", words.page_again];
}

function showAll() {
  const [how, told] = standing();
  root.dataset.pulse = how;
  put(byId("status"), told);
  const title = `${told} · ${name}`;
  if (document.title !== title) document.title = title;
  byId("resume").hidden = status !== "crowded";
  showFigures();
}

function showFigures() {
  const { connected, rtt } = pulse;
  byId("seen").hidden = !connected || !seen;
  if (connected && seen) showSeen(rtt);
  put(byId("rtt"), connected && rtt !== null ? milliseconds(rtt) : "–");
  put(byId("jitter"), connected && rtt !== null ? milliseconds(pulse.jitter) : "–");
  put(byId("loss"), percent(pulse.loss));
  put(byId("up-since"), connected ? time.format(pulse.upSince) : "–");
}

function showSeen(rtt) {
  byId("seen").className = `verdict ${seen.code}`;
  byId("seen-cell").className = `cell ${seen.code}`;
  const ms = milliseconds(rtt);
  put(byId("seen-state"), fill(rtt === null ? words.page_seen : words.page_seen_ms, { state: seen.state, ms }));
  put(byId("seen-why"), [fill(words.page_since, { at: seen.since }), seen.cause].filter(Boolean).join(" · "));
}

function showBattery() {
  const { charging, charge, left } = battery;
  const mains = charge < 1 ? words.page_charging : words.page_mains; // a machine without a battery says it is full
  put(byId("power"), fill(charging ? mains : words.page_battery, { charge: percent(charge) }));
  plugged ||= charging; // a phone that was never plugged has lost nothing
  byId("power-lost").hidden = charging || !plugged;
  const minutes = Math.floor(left / 60);
  const form = minutes < 60 ? words.page_left_minutes : words.page_left_hours;
  put(byId("power-left"), left ? fill(form, { hours: Math.floor(minutes / 60), minutes: minutes < 60 ? minutes : minutes % 60 }) : "");
}

watchBattery((told) => {
  battery = told;
  showBattery();
});
keepAwake((awake) => put(byId("awake"), awake ? words.page_awake : words.page_sleeps));

function tick() {
  pulse.tick();
  showAll();
}

const ticker = new Worker("/static/pulse-worker.js");
ticker.onmessage = tick;
ticker.onerror = () => setInterval(tick, 250);

function hurry() {
  pulse.hurry();
  showAll();
}

addEventListener("online", hurry);
addEventListener("offline", showAll);
addEventListener("pageshow", hurry);
document.addEventListener("visibilitychange", hurry);
addEventListener("pagehide", (event) => {
  if (!event.persisted) pulse.leave();
});
byId("resume").addEventListener("click", () => pulse.resume());

const report = byId("report");
const form = report.querySelector("form");

function openForm() {
  const outbox = new Outbox(`point:${report.dataset.point}`, location.pathname);
  const checkIn = new CheckInForm(form, "check-in", report.dataset.tier, outbox, words);
  const look = () => document.hidden || checkIn.look(); // a coordinator may have reported
  document.addEventListener("visibilitychange", look);
  setInterval(look, LOOK_EVERY_MS * (0.8 + 0.4 * Math.random()));
  outbox.flush();
  return outbox;
}

const outbox = form && openForm(); // a point that does not take part has none
pulse.open();
