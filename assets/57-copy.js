/* Copies a text: data-copy names the element that has it. Where a browser lets nobody copy, as on a
   page without TLS, the text is selected instead, and says so. */
(function () {
  "use strict";
  var SAID_MS = 2500;

  function say(button, text) {
    var label = button.querySelector("span:last-child");
    if (!button.hasAttribute("data-label")) {
      button.setAttribute("data-label", label.textContent);
    }
    label.textContent = text;
    button.setAttribute("aria-live", "polite");
    window.setTimeout(function () {
      label.textContent = button.getAttribute("data-label");
    }, SAID_MS);
  }

  function select(element) {
    var range = document.createRange();
    range.selectNodeContents(element);
    var selection = document.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    var source = button && document.getElementById(button.getAttribute("data-copy"));
    if (!source) {
      return;
    }
    var failed = function () {
      select(source);
      say(button, "Selected: copy it by keyboard");
    };
    if (!navigator.clipboard) {
      failed();
      return;
    }
    navigator.clipboard.writeText(source.textContent).then(function () {
      say(button, "Copied");
    }, failed);
  });
})();
