// A diff: a box at an object ticks all its fields, and the bar counts. Without this script each box stands for itself.
const form = document.querySelector('[data-diff].choosing');
const boxes = within => [...within.querySelectorAll('input[name=take]')];
const ticked = within => boxes(within).filter(box => box.checked).length;

function tell(group) {
  const all = group.querySelector('[data-all]'), words = group.querySelector('[data-taken]');
  if (!all) return;
  const count = boxes(group).length, taken = ticked(group);
  all.checked = taken > 0;
  all.indeterminate = taken > 0 && taken < count;
  words.textContent = taken === count ? 'all taken' : taken ? `${taken} of ${count} taken` : 'not taken';
}

if (form) {
  const elsewhere = Number(form.dataset.chosen) - ticked(form); // chosen on other pages and under other chips
  const count = () => {
    const chosen = elsewhere + ticked(form);
    for (const place of form.querySelectorAll('[data-count]')) place.textContent = chosen.toLocaleString('en');
    for (const button of form.querySelectorAll('.bulk button')) button.disabled = chosen === 0;
  };
  for (const all of form.querySelectorAll('[data-all]')) all.hidden = false;
  form.addEventListener('change', event => {
    const group = event.target.closest('[data-group]');
    if (!group) return;
    if (event.target.matches('[data-all]')) for (const box of boxes(group)) box.checked = event.target.checked;
    tell(group);
    count();
  });
  // a browser that comes back to the page puts the ticks back as they were
  addEventListener('pageshow', () => { form.querySelectorAll('[data-group]').forEach(tell); count(); });
}
