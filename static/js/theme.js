// The colour theme before the first paint: the saved choice, else the system's. A plain script, since modules run later.
'use strict';
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem('lx-theme'); } catch { /* storage can be forbidden: the system decides */ }
  const system = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => document.documentElement.setAttribute('data-bs-theme', chosen || (system.matches ? 'dark' : 'light'));
  system.addEventListener('change', apply);
  apply();
})();
