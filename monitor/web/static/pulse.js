// Keeps the connection to the centre: a heartbeat a second, an echo of each, and another socket when echoes stay out.
const BEAT_MS = 1000;
const EARLY_MS = 20; // a tick that comes so little before its time is in time
const DEAD_AFTER_MS = 4000; // a beat unanswered for so long: the line is dead, not merely slow, nor the centre under a storm
const DEAD_AT_MOST_MS = 8000;
const LOST_AFTER_MS = 1000;
const QUICK = 4; // beats that follow a connection at once: the centre wants more than one proof that a point is back
const COUNTED = 60;
const OPEN_WITHIN_MS = 8000; // after a storm thousands come at once: who gives up early makes it longer
const WAIT_MS = 300;
const WAIT_AT_MOST_MS = 4000;
const ASK_EVERY = 3; // attempts, whether the link holds at all

const LEFT = 1000; // the page is closed: nothing is to be concluded from its silence
const DEAD = 4000; // we gave the socket up and come again
const FOR_GOOD = { 4401: "revoked", 4409: "crowded" };

export class Pulse {
  // open() begins. say() gives what the page says of itself; hear(seen) takes what the centre sees; tell(status) takes how it
  // stands: "connected", "again", "revoked" or "crowded".
  constructor(path, { say, hear, tell }) {
    Object.assign(this, { path, say, hear, tell });
    this.session = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.number = 0;
    this.beats = []; // the last ones: { n, at, rtt }
    this.rtt = null;
    this.jitter = 0;
    this.attempts = 0;
    this.quick = 0;
    this.upSince = null;
    this.downSince = performance.now();
    this.retryAt = null;
  }

  get connected() {
    return this.upSince !== null;
  }

  // Of the last beats, how many were not answered in time; those on their way are not counted.
  get loss() {
    const now = performance.now();
    const due = this.beats.filter(({ at, rtt }) => rtt !== null || now - at > LOST_AFTER_MS);
    const lost = due.filter(({ rtt }) => rtt === null || rtt > LOST_AFTER_MS);
    return due.length ? lost.length / due.length : 0;
  }

  open() {
    this.attempts += 1;
    this.retryAt = null;
    this.openedAt = performance.now();
    const url = new URL(`${this.path}/ws?s=${this.session}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onopen = () => {
      this.quick = QUICK;
      this.beat(performance.now());
    };
    socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    socket.onclose = ({ code }) => this.lose(code);
  }

  // Several times a second.
  tick() {
    const now = performance.now();
    if (this.ended) return;
    if (this.retryAt !== null) {
      if (now >= this.retryAt) this.open();
    } else if (this.socket.readyState === WebSocket.CONNECTING) {
      if (now - this.openedAt > OPEN_WITHIN_MS) this.giveUp();
    } else if (this.unanswered(now) > this.patience) {
      this.giveUp();
    }
    if (now >= this.nextAt - EARLY_MS || (this.quick > 0 && this.socket.readyState === WebSocket.OPEN)) this.beat(now);
  }

  beat(now) {
    const even = !this.quick && this.nextAt > now - BEAT_MS;
    this.nextAt = even ? this.nextAt + BEAT_MS : now + BEAT_MS;
    this.quick = Math.max(0, this.quick - 1);
    this.number += 1;
    this.beats = [...this.beats.slice(1 - COUNTED), { n: this.number, at: now, rtt: null }];
    if (this.socket.readyState !== WebSocket.OPEN) return; // a beat that cannot be sent is a lost one
    this.sentFrom ??= this.number;
    this.socket.send(JSON.stringify({
      n: this.number,
      rtt: this.rtt === null ? null : round(this.rtt / 1000),
      jitter: this.rtt === null ? null : round(this.jitter / 1000),
      loss: round(this.loss),
      ...this.say(),
    }));
  }

  take({ n, seen }) {
    const beat = this.beats.find((each) => each.n === n);
    if (beat && beat.rtt === null) this.measure(beat);
    if (!this.connected) {
      this.upSince = Date.now();
      this.attempts = 0;
      this.downSince = null;
      this.tell("connected");
    }
    if (seen) this.hear(seen);
  }

  // Jitter as RFC 3550, section 6.4.1, smooths it.
  measure(beat) {
    beat.rtt = performance.now() - beat.at;
    if (this.rtt !== null) this.jitter += (Math.abs(beat.rtt - this.rtt) - this.jitter) / 16;
    this.rtt = beat.rtt;
  }

  // How long the first beat on this socket that has no answer has waited for it, with nothing answered since.
  unanswered(now) {
    let first = null;
    for (const { n, at, rtt } of this.beats) {
      if (n < this.sentFrom) continue;
      if (rtt !== null) first = null;
      else first ??= at;
    }
    return first === null ? 0 : now - first;
  }

  get patience() {
    return Math.min(DEAD_AT_MOST_MS, DEAD_AFTER_MS + 4 * this.jitter);
  }

  giveUp() {
    const { socket } = this;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(DEAD);
    this.lose(DEAD);
  }

  lose(code) {
    this.upSince = null;
    this.sentFrom = null;
    this.downSince ??= performance.now();
    this.ended = FOR_GOOD[code];
    this.tell(this.ended ?? "again");
    if (this.ended) return;
    const wait = Math.min(WAIT_AT_MOST_MS, WAIT_MS * 2 ** this.attempts);
    this.retryAt = performance.now() + wait * (0.5 + Math.random() / 2);
    if (this.attempts % ASK_EVERY === ASK_EVERY - 1) this.ask();
  }

  // A socket that is refused does not say why: whether the link holds, the page itself is asked.
  async ask() {
    try {
      const { status } = await fetch(this.path, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(OPEN_WITHIN_MS) });
      if (status === 404 && !this.connected) this.lose(4401);
    } catch {
      // nobody answers: the next attempt will show
    }
  }

  // Something has changed for the better, perhaps: do not wait any longer.
  hurry() {
    if (this.ended) return;
    if (this.retryAt !== null) this.open();
    else if (this.socket) this.tick();
  }

  resume() {
    this.ended = undefined;
    this.open();
    this.tell("again");
  }

  leave() {
    this.ended = "left";
    this.socket.onclose = null;
    this.socket.close(LEFT);
  }
}

const round = (number) => Math.round(number * 10000) / 10000;
