// The playground: posts the form, reads the answer as it comes, shows its figures; Stop goes away, which stops the model.
const root = document.querySelector('[data-playground]');
const part = name => root.querySelector(`[data-${name}]`);
let stopping = null;

const seconds = s => (s < 1 ? `${s.toFixed(2)} s` : `${s.toFixed(1)} s`);
const count = n => (n === null || n === undefined ? 'unknown' : n.toLocaleString('en-US'));

function stage(text, bad = false) {
  part('stage').textContent = text;
  part('stage').classList.toggle('bad', bad);
}

function empty() {
  for (const name of ['text', 'reasoning']) part(name).textContent = '';
  for (const name of ['ttft', 'speed', 'tokens']) part(name).textContent = '–';
  part('thoughts').hidden = true;
}

// what the events of one answer do to the page; times run from the moment the model has the prompt
function follow() {
  let began = performance.now(), first = 0, pieces = 0;
  return {
    stage({text, goes_on: goesOn}) {
      if (!goesOn) began = performance.now();
      if (!first) stage(`${text} …`);
    },
    piece({text, reasoning}) {
      const box = part(reasoning ? 'reasoning' : 'text');
      const follows = box.scrollTop + box.clientHeight >= box.scrollHeight - 40;
      box.append(text);
      if (follows) box.scrollTop = box.scrollHeight;
      if (reasoning) part('thoughts').hidden = false;
      pieces += 1;
      if (!first) {
        first = performance.now();
        part('ttft').textContent = seconds((first - began) / 1000);
        stage(reasoning ? 'thinking …' : 'writing …');
      } else {
        part('speed').textContent = ((pieces - 1) / ((performance.now() - first) / 1000)).toFixed(1);
        part('tokens').textContent = `…, ${count(pieces)}`;
      }
    },
    done(answer) {
      if (!part('text').textContent) part('text').textContent = answer.text || '(it said nothing)';
      if (answer.ttft !== null) part('ttft').textContent = seconds(answer.ttft);
      if (answer.tokens_per_second !== null) part('speed').textContent = answer.tokens_per_second.toFixed(1);
      part('tokens').textContent = `${count(answer.tokens_in)}, ${count(answer.tokens_out)}`;
      stage(`${answer.model} on ${answer.server}, ${seconds(answer.seconds)}${answer.estimated ? ', tokens counted here' : ''}`);
    },
    fault({text}) { stage(text, true); },
  };
}

async function read(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const events = (rest + value).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      const kind = /^event: (.+)$/m.exec(event), data = /^data: (.+)$/m.exec(event);
      if (kind && data) take[kind[1]]?.(JSON.parse(data[1]));
    }
  }
}

async function ask(form) {
  if (stopping || !form.reportValidity()) return;
  stopping = new AbortController();
  const data = new FormData(form), go = part('go'), stop = part('stop');
  empty();
  stage('asking …');
  go.disabled = true;
  stop.hidden = false;
  try {
    const answer = await fetch(root.dataset.ask, {method: 'POST', body: data, signal: stopping.signal, redirect: 'error'});
    if (answer.status === 422) stage((await answer.json()).faults.join(' '), true);
    else if (!answer.ok) stage(answer.status === 403 ? 'You may not ask any more; reload the page.' : `LMStrix answered ${answer.status}; its log tells more.`, true);
    else await read(answer.body, follow());
  } catch (error) {
    if (error.name === 'AbortError') stage('Stopped; what was said until then is recorded.');
    else stage('The connection to LMStrix broke off; try again.', true);
  }
  stopping = null;
  go.disabled = false;
  stop.hidden = true;
}

if (root) {
  const form = root.querySelector('form');
  form.addEventListener('submit', event => { event.preventDefault(); ask(form); });
  part('stop').addEventListener('click', () => stopping?.abort());
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && stopping) stopping.abort();
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && form.contains(event.target)) { event.preventDefault(); ask(form); }
  });
}
