// Small comforts of every page; all of them work without this script, only less smoothly.
import './charts.js';
import './events.js';

const root = document.documentElement;

for (const button of document.querySelectorAll('[data-toggle-theme]')) {
  button.hidden = false;
  button.addEventListener('click', () => {
    const next = root.getAttribute('data-bs-theme') === 'dark' ? 'light' : 'dark';
    try { localStorage.setItem('lx-theme', next); } catch { /* only this page then */ }
    root.setAttribute('data-bs-theme', next);
  });
}

// menus (details elements): Escape and a click elsewhere close them
const menus = '.lx-menu, .lx-account, .lx-registry, [data-menu]';
document.addEventListener('click', event => {
  for (const menu of document.querySelectorAll(menus)) if (menu.open && !menu.contains(event.target)) menu.open = false;
});
document.addEventListener('keydown', event => {
  const find = document.querySelector('[data-find]');
  if (event.key === 'Escape') {
    for (const menu of document.querySelectorAll(menus)) if (menu.open) { menu.open = false; menu.querySelector('summary').focus(); }
  } else if (event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && find) {
    event.preventDefault();
    find.focus();
  } else if (event.key === '/' && !event.target.closest('input, textarea, select, [contenteditable]')) {
    const filter = document.querySelector('[data-filter]') || find;
    if (filter) { event.preventDefault(); filter.focus(); }
  }
});

// running times: the server says the seconds at the moment it drew the page, the browser counts on
const span = seconds => {
  const s = Math.floor(seconds), m = Math.floor(s / 60), h = Math.floor(m / 60);
  return h ? `${h} h ${m % 60} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
};
setInterval(() => {
  for (const clock of document.querySelectorAll('[data-seconds]')) {
    clock.since ??= performance.now() - 1000 * Number(clock.dataset.seconds);
    clock.textContent = span((performance.now() - clock.since) / 1000);
  }
}, 1000);

// a live part that is swapped keeps its opened folds; an answer that says nothing new is not swapped at all
const latest = new Map();
const told = text => text.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, ''); // a form token is new each time
let opened = [];
document.addEventListener('htmx:beforeSwap', event => {
  const {target, xhr} = event.detail;
  if (!target?.id || xhr.status !== 200) return;
  const now = told(xhr.responseText);
  if (latest.get(target.id) === now) event.detail.shouldSwap = false;
  latest.set(target.id, now);
  opened = [...target.querySelectorAll('details[id][open]')].map(fold => fold.id);
});
document.addEventListener('htmx:afterSwap', () => {
  for (const id of opened) { const fold = document.getElementById(id); if (fold) fold.open = true; }
});
