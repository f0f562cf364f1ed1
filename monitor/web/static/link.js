// Follows a stream of server-sent events; tells when nothing has been heard for so long that the page may be wrong.
const SILENT_MS = 11000; // two ticks and a little more
const AGAIN_MS = 1000;

export function follow(url, names, take, tell) {
  let source = null;
  let silence = 0;
  let retry = 0;

  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(lost, SILENT_MS);
  };

  function open() {
    source = new EventSource(url);
    for (const name of names) {
      source.addEventListener(name, (event) => {
        tell("live");
        listen();
        take(JSON.parse(event.data));
      });
    }
    source.addEventListener("error", lost);
    listen();
  }

  // Also where the browser would give up: try again, a little later at each page.
  function lost() {
    tell("stale");
    clearTimeout(silence);
    clearTimeout(retry);
    source.close();
    retry = setTimeout(open, AGAIN_MS * (1 + Math.random()));
  }

  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted) open();
  });
  open();
}
