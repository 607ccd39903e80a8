// Lists with check boxes: the bar of actions shows while something is selected. Without this script it always shows.
const form = document.querySelector('[data-bulk]');
const boxes = () => [...form.querySelectorAll('input[name=model]')];

function show() {
  const all = boxes(), chosen = all.filter(box => box.checked), bar = form.querySelector('.bulk');
  const head = form.querySelector('[data-all]');
  for (const box of all) box.closest('tr').classList.toggle('sel', box.checked);
  if (head) {
    head.hidden = false;
    head.checked = all.length > 0 && chosen.length === all.length;
    head.indeterminate = chosen.length > 0 && chosen.length < all.length;
  }
  if (bar) {
    bar.hidden = !chosen.length;
    bar.querySelector('[data-chosen]').textContent = `${chosen.length} selected`;
    bar.querySelector('[data-clear]').hidden = false;
  }
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
  // a list that changes under a selection would lose it: it waits until nothing is selected
  document.addEventListener('htmx:beforeRequest', event => {
    const live = event.detail.elt.id === 'list';
    if (live && boxes().some(box => box.checked)) event.preventDefault();
  });
  document.addEventListener('htmx:afterSettle', show);
  show();
}
