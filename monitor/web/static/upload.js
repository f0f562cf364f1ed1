// Sends a file, shows what it would change, and has it kept when somebody says so.
import { fill, put } from "./clock.js";

const byId = (id) => document.getElementById(id);
const words = JSON.parse(byId("words").textContent);
const number = new Intl.NumberFormat("vi-VN");
const headers = { "X-CSRF-Token": words.csrf };
let held = "";

async function ask(path, body) {
  try {
    const answer = await fetch(path, { method: "POST", headers, body });
    return [answer.status, await answer.json()];
  } catch {
    return [0, { error: words.upload_failed }];
  }
}

function show(preview) {
  held = preview.id;
  const told = fill(words.upload_changed, { n: number.format(preview.total) });
  const wrong = fill(words.upload_errors, { n: number.format(preview.total_errors) });
  put(byId("said"), preview.note || (preview.total_errors ? wrong : preview.total ? told : words.upload_nothing));
  byId("errors").replaceChildren(...preview.errors.map((text) => item("li", text)));
  byId("errors").hidden = !preview.errors.length;
  byId("changes").tBodies[0].replaceChildren(...preview.changes.map(row));
  byId("changes").hidden = !preview.changes.length;
  const more = Math.max(preview.total_errors - preview.errors.length, preview.total - preview.changes.length, 0);
  put(byId("more"), more ? fill(words.upload_more, { n: number.format(more) }) : "");
  put(byId("confirm"), fill(words.upload_confirm, { n: number.format(preview.total) }));
  byId("confirm").hidden = !held;
}

function item(name, text) {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
}

function row(change) {
  const node = document.createElement("tr");
  const head = item("th", `${change.name} (${change.point})`);
  head.scope = "row";
  node.append(head, item("td", change.before), item("td", change.after));
  return node;
}

function clear(said) {
  show({ id: "", total: 0, changes: [], errors: [], total_errors: 0, note: said });
}

byId("upload").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [file] = byId("file").files;
  if (!file) return;
  clear(words.upload_reading);
  const [status, answer] = await ask("/check-ins/upload", file);
  if (status === 200) show(answer);
  else clear(answer.error ?? words.upload_failed);
});

byId("confirm").addEventListener("click", async () => {
  byId("confirm").disabled = true;
  const [status, answer] = await ask(`/check-ins/upload/${held}`);
  byId("confirm").disabled = false;
  if (status === 200) clear(fill(words.upload_kept, { n: number.format(answer.kept) }));
  else if (status === 409) show(answer);
  else put(byId("said"), answer.error ?? words.upload_failed);
});
