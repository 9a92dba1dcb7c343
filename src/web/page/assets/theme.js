// Before anything is drawn: the theme that was chosen here last. Without a choice the system's holds.
(function () {
  try {
    const chosen = localStorage.getItem("memg.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    /* no storage: the system's theme */
  }
})();
