// The filter box: hints below it while it is typed in, chosen with the arrow keys and Enter or Tab, or by a click.
// Without this script the box is a plain search form.
const box = document.querySelector('[data-filter]'), hints = document.querySelector('[data-suggestions]');
const options = () => [...hints.querySelectorAll('[role=option]')];
const current = () => hints.querySelector('[aria-selected=true]');
let closed = false; // by Escape: stays so until the text changes

function open(yes) {
  hints.hidden = !yes;
  box.setAttribute('aria-expanded', String(yes));
  if (!yes) mark(null);
}

function mark(option) {
  for (const each of options()) each.setAttribute('aria-selected', String(each === option));
  if (option) {
    box.setAttribute('aria-activedescendant', option.id);
    option.scrollIntoView({block: 'nearest'});
  } else box.removeAttribute('aria-activedescendant');
}

// a key alone (`ctx:`) goes on being typed; a whole condition filters the list
function take(option) {
  box.value = option.dataset.text;
  box.focus();
  box.dispatchEvent(new Event('input', {bubbles: true}));
}

function step(by) {
  const all = options();
  if (!all.length) return;
  if (hints.hidden) open(true);
  const place = all.indexOf(current());
  mark(place < 0 ? all[by > 0 ? 0 : all.length - 1] : all[(place + by + all.length) % all.length]);
}

if (box && hints) {
  box.addEventListener('input', () => { closed = false; });
  box.addEventListener('keydown', event => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      closed = false;
      step(event.key === 'ArrowDown' ? 1 : -1);
    } else if (event.key === 'Escape' && !hints.hidden) {
      event.preventDefault(); // the first Escape closes the hints, a second one empties the box
      closed = true;
      open(false);
    } else if ((event.key === 'Enter' || event.key === 'Tab') && !hints.hidden && current()) {
      event.preventDefault();
      take(current());
    } else if (event.key === 'Enter') {
      closed = true;
      open(false);
    }
  });
  hints.addEventListener('pointerdown', event => event.preventDefault()); // the box keeps the focus
  hints.addEventListener('click', event => {
    const option = event.target.closest('[role=option]');
    if (option) take(option);
  });
  box.addEventListener('blur', () => open(false));
  document.addEventListener('htmx:afterSwap', event => {
    if (event.detail.target === hints && document.activeElement === box && !closed) open(true);
  });
}
