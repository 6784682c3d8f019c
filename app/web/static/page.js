// The preference centre's convenience: "All communication" moves the other toggles along. Nothing is saved here, and without this file the
// server draws the same conclusions from the form.
(() => {
  "use strict";
  const all = document.querySelector('input[name="all"]');
  const groups = [...document.querySelectorAll('input[name="group"]')];
  if (!all || !groups.length) return;
  let before = null; // the choices that "All communication" switched off, in case that was a slip
  all.addEventListener("change", () => {
    if (!all.checked) before = groups.map((group) => group.checked);
    const chosen = before && before.includes(true) ? before : null;
    groups.forEach((group, at) => (group.checked = all.checked && (chosen ? chosen[at] : true)));
  });
  groups.forEach((group) =>
    group.addEventListener("change", () => {
      if (group.checked) all.checked = true;
    }),
  );
})();
