// The board: makes the cells from the data in the page, then follows /events.
import { Cells } from "./cells.js";
import { Clock } from "./clock.js";
import { Figures } from "./figures.js";
import { Incidents } from "./incidents.js";
import { follow } from "./link.js";

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const words = read("words");
const layout = read("layout");

const clock = new Clock(words);
const cells = new Cells(document.getElementById("tiles"), layout, words, clock);
const figures = new Figures(words, clock);
const incidents = new Incidents(words, cells);

function take(event) {
  if (event.layout !== layout.version) return location.reload(); // another inventory: every cell is another one
  clock.set(event.head);
  figures.show(event.head);
  if (event.states) cells.showAll(event);
  else cells.show(event.cells);
  incidents.show(event.head.incidents);
}

take(read("snapshot"));
follow("/events", ["snapshot", "delta", "tick"], take, (link) => figures.showLink(link));
