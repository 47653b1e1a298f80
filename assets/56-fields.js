/* Ties what is wrong with a field to it, for those who hear the page: an element with
   data-error-of="field's id" describes that field. The component of a field has no such attributes.
   The first wrong field takes the focus, so that it can be mended at once. */
(function () {
  "use strict";
  var isAsked = false;

  function tie() {
    var isFirst = true;
    isAsked = false;
    document.querySelectorAll("[data-error-of]").forEach(function (said) {
      var field = document.getElementById(said.getAttribute("data-error-of"));
      if (!field) {
        return;
      }
      if (field.getAttribute("aria-describedby") !== said.id) {
        field.setAttribute("aria-describedby", said.id);
        field.setAttribute("aria-invalid", "true");
        if (isFirst && document.activeElement === document.body) {
          field.focus({ preventScroll: true });
        }
      }
      isFirst = false;
    });
    document.querySelectorAll("[aria-invalid][aria-describedby]").forEach(function (field) {
      if (!document.getElementById(field.getAttribute("aria-describedby"))) {
        field.removeAttribute("aria-describedby");
        field.removeAttribute("aria-invalid");
      }
    });
  }

  new MutationObserver(function () {
    if (!isAsked) {
      isAsked = true;
      window.requestAnimationFrame(tie);
    }
  }).observe(document.documentElement, { subtree: true, childList: true });
})();
