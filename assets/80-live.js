/* Keeps the figures of the page current. The server sends the live regions of this page as the
   components that the page would have got; 78-live-apply.js changes only what differs.

   The stream is held by assets/live/worker.js for all tabs. */
(function () {
  "use strict";
  var WORKER = "/assets/live/worker.js";
  var PING_MS = 20000;
  var LONGEST_SELECTION_MS = 10000;
  var FAILED = ".state-failed";
  var FIRST_HEALING_MS = 10000;
  var LONGEST_HEALING_MS = 60000;
  var PAUSED = "Live updates paused — reconnecting";
  var ENDED = "You are signed out: figures no longer update.";
  var MOVED = "This browser now looks at another account. ";

  var port = null;
  var shown = null; /* the page as last announced: {address, place, account} */
  var waiting = null; /* regions that wait for the end of a selection */
  var waitingSince = 0;
  var resting = 0;
  var healing = { at: 0, wait: FIRST_HEALING_MS }; /* when failed regions are asked for again */

  /* --- the page and the worker ------------------------------------------------------------------ */
  function page() {
    var app = document.querySelector(".app[data-live-view]");
    return app && {
      address: app.getAttribute("data-live-view"),
      place: app.getAttribute("data-live-place"),
      account: app.getAttribute("data-live-account"),
      element: app,
    };
  }

  function connect() {
    if (port) {
      return port;
    }
    if (window.SharedWorker) {
      port = new SharedWorker(WORKER, { name: "usage-live-1" }).port;
      port.start();
    } else if (window.Worker) {
      port = new Worker(WORKER);
    }
    if (port) {
      port.onmessage = function (event) {
        heard(event.data);
      };
      window.setInterval(function () {
        port.postMessage({ type: "ping" });
      }, PING_MS);
    }
    return port;
  }

  function announce() {
    var now = page();
    if (!now || !connect()) {
      return;
    }
    if (document.visibilityState === "hidden") {
      port.postMessage({ type: "hidden" });
      return;
    }
    var isNew = !shown || shown.element !== now.element || shown.address !== now.address;
    if (isNew) {
      shown = now;
      waiting = null;
      note("");
    }
    port.postMessage({
      type: "page",
      address: shown.address,
      place: shown.place,
      account: shown.account,
      isNew: isNew,
    });
  }

  function heard(message) {
    if (message.type === "state") {
      showState(message);
      if (message.isBack) {
        isBack();
      }
    } else if (message.type === "regions" && isOfThisPage(message)) {
      /* What was put off is left out: regions are whole, and the newest has it. */
      waiting = Object.assign(waiting || {}, message.regions);
      shown.place = message.place;
      applyWaiting();
    } else if (message.type === "notices" && shown && shown.account === message.account) {
      waiting = Object.assign(waiting || {}, message.regions);
      applyWaiting();
      document.dispatchEvent(new CustomEvent("usage:notices", { detail: message.notifications }));
    }
  }

  function isOfThisPage(message) {
    var now = page();
    return (
      now &&
      shown &&
      shown.element === now.element &&
      now.account === message.account &&
      now.address === message.address
    );
  }

  /* --- the note ----------------------------------------------------------------------------------- */
  function note(text) {
    var box = document.getElementById("live-note");
    if (!box) {
      box = document.createElement("div");
      box.id = "live-note";
      box.className = "live-note";
      box.setAttribute("role", "status");
      box.setAttribute("aria-live", "polite");
      document.body.appendChild(box);
    }
    if (box.textContent !== text) {
      box.textContent = text;
    }
    return box;
  }

  function showState(message) {
    if (message.state === "paused") {
      note(PAUSED);
    } else if (message.state === "ended") {
      note(ENDED);
    } else if (shown && message.account && message.account !== shown.account) {
      var box = note(MOVED);
      if (!box.querySelector("a")) {
        var link = document.createElement("a");
        link.href = window.location.href;
        link.textContent = "Reload";
        box.appendChild(link);
      }
    } else {
      note("");
    }
  }

  /* --- what has failed ------------------------------------------------------------------------------- */
  /* The line is there again, and so may be what failed while it wasn't. */
  function isBack() {
    document.dispatchEvent(new CustomEvent("usage:back"));
    var isStill = Array.from(document.querySelectorAll(FAILED)).some(function (element) {
      return !element.closest(".live");
    });
    if (isStill && !document.querySelector("main form")) {
      window.location.reload(); /* no stream sends these, and nothing typed is lost */
    } else {
      askAgain();
    }
  }

  function askAgain() {
    if (!shown || !port || !document.querySelector(".live " + FAILED)) {
      return;
    }
    port.postMessage({
      type: "page",
      address: shown.address,
      place: "0-0",
      account: shown.account,
      isNew: true,
    });
  }

  /* A region may fail while the line holds: it is asked for again, ever less often. */
  function healRegions() {
    var isFailed = document.querySelector(".live " + FAILED);
    if (!isFailed || document.visibilityState === "hidden") {
      healing = { at: 0, wait: FIRST_HEALING_MS };
    } else if (!healing.at) {
      healing.at = Date.now() + healing.wait;
    } else if (Date.now() >= healing.at) {
      healing.wait = Math.min(healing.wait * 2, LONGEST_HEALING_MS);
      healing.at = Date.now() + healing.wait;
      askAgain();
    }
  }

  /* --- applying ------------------------------------------------------------------------------------ */
  function applyWaiting() {
    var element = document.getElementById("_pages_content");
    if (!waiting || (element && element.hasAttribute("data-dash-is-loading"))) {
      return;
    }
    var rest = window.usageLive.restMilliseconds();
    if (rest) {
      window.clearTimeout(resting);
      resting = window.setTimeout(applyWaiting, rest);
      return;
    }
    var changes = window.usageLive.changesOf(waiting);
    waitingSince = waitingSince || Date.now();
    if (window.usageLive.isSelecting(changes) && Date.now() - waitingSince < LONGEST_SELECTION_MS) {
      window.setTimeout(applyWaiting, 500);
      return;
    }
    waiting = null;
    waitingSince = 0;
    if (changes.length) {
      window.usageLive.apply(changes);
    }
  }

  /* --- when ------------------------------------------------------------------------------------------- */
  new MutationObserver(function (changes) {
    var isArrived = changes.some(function (change) {
      return change.type === "childList" || !change.target.hasAttribute("data-dash-is-loading");
    });
    var now = isArrived && page();
    if (now && (!shown || shown.element !== now.element || shown.address !== now.address)) {
      announce();
    }
  }).observe(document.documentElement, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["data-dash-is-loading", "data-live-view"],
  });
  document.addEventListener("visibilitychange", announce);
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) {
      announce();
    }
  });
  window.addEventListener("online", function () {
    if (port) {
      port.postMessage({ type: "online" });
    }
  });
  window.setInterval(healRegions, 2500);
  window.addEventListener("pagehide", function () {
    if (port) {
      port.postMessage({ type: "gone" });
    }
  });
})();
