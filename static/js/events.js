// What changed, told by the server: each event of the stream becomes an `lx:NAME` event of the body, which htmx's
// triggers hear. A stream ends after some minutes and the browser comes again by itself: that is no error to report.
const address = document.body.dataset.events;
let stream;

function listen() {
  stream = new EventSource(address);
  for (const name of ['job', 'server', 'state', 'tick']) {
    stream.addEventListener(name, event => {
      document.body.dispatchEvent(new CustomEvent(`lx:${name}`, {detail: event.data}));
    });
  }
}

if (address) {
  listen();
  addEventListener('pagehide', () => stream.close());
  addEventListener('pageshow', event => { if (event.persisted) listen(); }); // back from the browser's cache
}
