// Lists with check boxes: the bar of actions shows while something is selected. Without this script it always shows.
const form = document.querySelector('[data-bulk]');
const boxes = () => [...form.querySelectorAll('input[name=model]')];
const bar = () => form.querySelector('.bulk');
const every = () => form.querySelector('input[name=everything]');

function show() {
  const all = boxes(), chosen = all.filter(box => box.checked), whole = every();
  const head = form.querySelector('[data-all]');
  for (const box of all) box.closest('tr').classList.toggle('sel', box.checked);
  if (head) {
    head.hidden = false;
    head.checked = all.length > 0 && chosen.length === all.length;
    head.indeterminate = chosen.length > 0 && chosen.length < all.length;
  }
  if (whole) {
    whole.checked &&= chosen.length === all.length;
    whole.closest('[data-everything]').hidden = chosen.length < all.length;
  }
  if (!bar()) return;
  bar().hidden = !chosen.length;
  const count = whole?.checked ? Number(whole.dataset.total) : chosen.length;
  bar().querySelector('[data-chosen]').textContent = `${count.toLocaleString('en-US')} selected`;
  bar().querySelector('[data-clear]').hidden = false;
}

if (form) {
  form.addEventListener('change', event => {
    if (event.target.matches('[data-all]')) for (const box of boxes()) box.checked = event.target.checked;
    show();
  });
  form.addEventListener('click', event => {
    if (!event.target.closest('[data-clear]')) return;
    for (const box of boxes()) box.checked = false;
    show();
  });
  // Enter in a field of the bar means the button beside it
  form.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || !event.target.matches('[data-enter]')) return;
    event.preventDefault();
    event.target.closest('.fields').querySelector('button').click();
  });
  // a list that changes under a selection would lose it: it waits until nothing is selected
  document.addEventListener('htmx:beforeRequest', event => {
    const live = event.detail.elt.id === 'list';
    if (live && boxes().some(box => box.checked)) event.preventDefault();
  });
  document.addEventListener('htmx:afterSettle', show);
  show();
}

// copies a text that stands in a button, and says so in its place
document.addEventListener('click', async event => {
  const button = event.target.closest('[data-copy]');
  if (!button) return;
  const label = button.firstElementChild ?? button, before = label.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = 'Copied';
  } catch {
    label.textContent = button.dataset.copy; // no clipboard without https: shown whole, to be copied by hand
  }
  setTimeout(() => { label.textContent = before; }, 2500);
});
