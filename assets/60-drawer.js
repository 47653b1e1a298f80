/* On a phone the navigation is a drawer: it holds the focus while open, Escape closes it. */
(function () {
  "use strict";
  var root = document.documentElement;
  var FOCUSABLE = "#side :is(a[href], button:not([disabled]), summary, input)";
  var wide = window.matchMedia("(min-width: 901px)");

  function isOpen() {
    return root.classList.contains("drawer-is-open");
  }

  function opener() {
    return document.querySelector("[data-drawer-open]");
  }

  function set(open) {
    var page = document.querySelector(".page");
    root.classList.toggle("drawer-is-open", open);
    if (page) {
      page.inert = open;
    }
    if (opener()) {
      opener().setAttribute("aria-expanded", String(open));
    }
  }

  function open() {
    set(true);
    var first = document.querySelector(".side-link[aria-current], .side-link");
    if (first) {
      first.focus();
    }
  }

  function close(giveFocusBack) {
    if (!isOpen()) {
      return;
    }
    set(false);
    if (giveFocusBack && opener()) {
      opener().focus();
    }
  }

  function keepInside(event) {
    var shown = Array.from(document.querySelectorAll(FOCUSABLE)).filter(function (item) {
      return item.offsetParent !== null;
    });
    var first = shown[0];
    var last = shown[shown.length - 1];
    if (event.shiftKey && document.activeElement === first) {
      event.preventDefault();
      last.focus();
    } else if (!event.shiftKey && document.activeElement === last) {
      event.preventDefault();
      first.focus();
    }
  }

  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-drawer-open]")) {
      open();
    } else if (event.target.closest("[data-drawer-close]")) {
      close(true);
    } else if (event.target.closest("#side a[href]")) {
      close(false);
    }
  });

  document.addEventListener("keydown", function (event) {
    if (!isOpen()) {
      return;
    }
    if (event.key === "Escape") {
      close(true);
    } else if (event.key === "Tab") {
      keepInside(event);
    }
  });

  wide.addEventListener("change", function () {
    close(false);
  });
})();
