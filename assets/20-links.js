/* Follows links of this application without reloading: the address changes, and Dash renders the
   page of that address. A link works as a plain link until this has loaded. */
(function () {
  "use strict";

  function go(address) {
    var target = new URL(address, window.location.href);
    var isOtherPage = target.pathname !== window.location.pathname;
    window.history.pushState({}, "", target.href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    if (isOtherPage) {
      window.scrollTo(0, 0);
    }
    var detail = { isOtherPage: isOtherPage };
    document.dispatchEvent(new CustomEvent("usage:navigate", { detail: detail }));
  }

  function isPlainClick(event) {
    return (
      event.button === 0 &&
      !event.defaultPrevented &&
      !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    );
  }

  function isWithinPage(target) {
    return (
      target.hash !== "" &&
      target.pathname === window.location.pathname &&
      target.search === window.location.search
    );
  }

  document.addEventListener("click", function (event) {
    var anchor = event.target.closest("a[data-nav]");
    if (!anchor || !isPlainClick(event) || anchor.origin !== window.location.origin) {
      return;
    }
    if (isWithinPage(anchor)) {
      return;
    }
    event.preventDefault();
    go(anchor.href);
  });

  document.addEventListener("click", function (event) {
    var skip = event.target.closest(".skip-link");
    var main = document.getElementById("main");
    if (skip && main) {
      event.preventDefault();
      main.focus();
    }
  });

  window.usageGo = go;
})();
