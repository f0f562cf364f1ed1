// Ticks. A page in the background has its own timers slowed down to one a minute; those of a worker run on.
const EVERY_MS = 250;

function tick() {
  postMessage(0);
  setTimeout(tick, EVERY_MS - (performance.now() % EVERY_MS)); // what one tick is late, the next one is not
}

tick();
