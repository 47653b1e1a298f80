/* Popovers are details elements: one open at a time, closed by Escape, by a click outside and by
   following a link inside. Long lists in them have a search box. */
(function () {
  "use strict";
  var OPEN = "details.pop[open]";
  var EDGE = 8;
  var SHEET = window.matchMedia("(max-width: 760px)");

  function close(popover, giveFocusBack) {
    popover.open = false;
    if (giveFocusBack) {
      popover.querySelector("summary").focus();
    }
  }

  function keepOnScreen(panel) {
    panel.style.marginLeft = "";
    var box = panel.getBoundingClientRect();
    var over = Math.max(0, box.right + EDGE - document.documentElement.clientWidth);
    var under = Math.min(0, box.left - EDGE);
    if (over || under) {
      panel.style.marginLeft = -(over || under) + "px";
    }
  }

  function closeAll(except) {
    document.querySelectorAll(OPEN).forEach(function (popover) {
      if (popover !== except) {
        close(popover, false);
      }
    });
  }

  document.addEventListener(
    "click",
    function (event) {
      var inside = event.target.closest(OPEN);
      var others = Array.from(document.querySelectorAll(OPEN)).filter(function (popover) {
        return popover !== inside;
      });
      if (others.length && !inside && SHEET.matches) {
        /* The page under a sheet is dimmed: a tap there only closes the sheet. */
        event.preventDefault();
        event.stopPropagation();
      }
      closeAll(inside);
      if (inside && event.target.closest(".pop-panel a[href], .pop-panel [data-post]")) {
        window.setTimeout(function () {
          close(inside, false);
        }, 0);
      }
    },
    true
  );

  document.addEventListener("keydown", function (event) {
    var popover = event.key === "Escape" && document.querySelector(OPEN);
    if (popover) {
      close(popover, true);
      event.stopPropagation();
    }
  });

  document.addEventListener(
    "toggle",
    function (event) {
      if (!event.target.matches || !event.target.matches(".pop")) {
        return;
      }
      var panel = event.target.querySelector(".pop-panel");
      if (event.target.open) {
        keepOnScreen(panel);
      }
      var field = panel.querySelector("input");
      if (event.target.open && field && !SHEET.matches) {
        field.focus();
      }
    },
    true
  );

  document.addEventListener("input", function (event) {
    var box = event.target.closest(".list-search");
    if (!box) {
      return;
    }
    var wanted = event.target.value.trim().toLowerCase();
    var list = box.nextElementSibling;
    var shown = 0;
    Array.from(list.children).forEach(function (item) {
      item.hidden = wanted !== "" && item.textContent.toLowerCase().indexOf(wanted) < 0;
      shown += item.hidden ? 0 : 1;
    });
    list.nextElementSibling.hidden = shown > 0;
  });
})();
