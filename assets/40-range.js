/* A custom range: reads the two day fields and goes to the same page with from and to. People see
   the last day that is included; the address says the first that is not. */
(function () {
  "use strict";
  var DROPPED = ["period", "cursor", "line", "from", "to"];

  function dayAfter(text) {
    var day = new Date(text + "T00:00:00Z");
    day.setUTCDate(day.getUTCDate() + 1);
    return day.toISOString().slice(0, 10);
  }

  function problem(first, last) {
    if (!first.value || !last.value) {
      return "Choose both days.";
    }
    if (first.max && (first.value > first.max || last.value > last.max)) {
      return "Choose days up to today.";
    }
    if (first.min && (first.value < first.min || last.value < first.min)) {
      return "Usage is visible from " + first.min + " on.";
    }
    return first.value > last.value ? "The first day must not be after the last." : "";
  }

  function apply() {
    var first = document.getElementById("range-first");
    var last = document.getElementById("range-last");
    var error = document.getElementById("range-error");
    var text = problem(first, last);
    error.textContent = text;
    [first, last].forEach(function (field) {
      field.setAttribute("aria-invalid", text ? "true" : "false");
      field.setAttribute("aria-describedby", "range-error");
    });
    if (text) {
      first.focus();
      return;
    }
    var target = new URL(window.location.href);
    DROPPED.forEach(function (name) {
      target.searchParams.delete(name);
    });
    target.searchParams.set("from", first.value);
    target.searchParams.set("to", dayAfter(last.value));
    target.hash = "";
    document.getElementById("range-menu").open = false;
    window.usageGo(target.href);
  }

  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-range-apply]")) {
      apply();
    }
  });

  document.addEventListener("keydown", function (event) {
    var isInRange = event.target.closest && event.target.closest("#range-menu input");
    if (event.key === "Enter" && isInRange) {
      event.preventDefault();
      apply();
    }
  });
})();
