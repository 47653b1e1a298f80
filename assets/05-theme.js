/* Light or dark, before the first paint. The index loads this file in its head; Dash loads it once
   more with the other assets, and the second time does nothing. */
(function () {
  "use strict";
  if (window.usageTheme) {
    return;
  }
  var KEY = "usage-theme";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return window.localStorage.getItem(KEY);
    } catch (error) {
      return null;
    }
  }

  function apply() {
    var theme = chosen() || (dark.matches ? "dark" : "light");
    root.setAttribute("data-bs-theme", theme);
    return theme;
  }

  function toggle() {
    var next = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
    try {
      window.localStorage.setItem(KEY, next);
    } catch (error) {
      /* A browser that keeps nothing still changes for this page. */
    }
    root.setAttribute("data-bs-theme", next);
  }

  window.usageTheme = { apply: apply, toggle: toggle };
  apply();
  dark.addEventListener("change", apply);
  window.addEventListener("storage", function (event) {
    if (event.key === KEY) {
      apply();
    }
  });
  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-theme-toggle]")) {
      toggle();
    }
  });
})();
