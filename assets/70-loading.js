/* Between two pages: old figures must not look current, and a page that could not be loaded says
   so instead of leaving them on the screen. It comes by itself once the server answers again. */
(function () {
  "use strict";
  var root = document.documentElement;
  var PAGE = "_pages_content";
  var FAILED = "page-has-failed";
  var MOST_FRAMES = 60;
  var STEADY_FRAMES = 90; /* a second and a half */
  var READY = "/readyz";
  var FIRST_WAIT_MS = 2000;
  var LONGEST_WAIT_MS = 10000;
  var HEALED = "usage-healed"; /* how often in a row: a page that fails again waits longer */
  var isOtherPage = false;
  var healing = 0;
  var tries = 0;
  var send = window.fetch;

  function panel(title, text, label, act) {
    var box = document.createElement("div");
    box.id = "page-failed";
    box.setAttribute("role", "alert");
    [["span", "icon icon-warning"], ["h1", "", title], ["p", "", text]].forEach(function (part) {
      var element = document.createElement(part[0]);
      element.className = part[1];
      element.textContent = part[2] || "";
      box.appendChild(element);
    });
    var button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-main";
    button.textContent = label;
    button.addEventListener("click", act);
    box.appendChild(button);
    return box;
  }

  function takeAway() {
    var old = document.getElementById("page-failed");
    root.classList.remove(FAILED);
    if (old) {
      old.remove();
    }
  }

  function clear() {
    window.clearTimeout(healing);
    healing = 0;
    takeAway();
  }

  function show(box) {
    takeAway();
    root.classList.add(FAILED);
    document.body.appendChild(box);
    box.querySelector("button").focus({ preventScroll: true });
  }

  function signIn() {
    var here = window.location.pathname + window.location.search;
    window.location.assign("/sign-in?next=" + encodeURIComponent(here));
  }

  function reload() {
    window.location.reload();
  }

  /* --- coming back by itself --------------------------------------------------------------- */
  function isPassing(status) {
    return status === 0 || status === 502 || status === 503 || status === 504;
  }

  function recently() {
    var found = (window.sessionStorage.getItem(HEALED) || "0 0").split(" ").map(Number);
    return Date.now() - found[1] < 3 * LONGEST_WAIT_MS ? found[0] : 0;
  }

  function healLater() {
    window.clearTimeout(healing);
    healing = window.setTimeout(heal, Math.min(FIRST_WAIT_MS * Math.pow(2, tries), LONGEST_WAIT_MS));
    tries += 1;
  }

  /* Asks whether the server would answer, and only then loads the page again. */
  function heal() {
    if (!healing) {
      return;
    }
    window.clearTimeout(healing);
    send.call(window, READY, { cache: "no-store" }).then(function (response) {
      if (!healing) {
        return;
      }
      if (response.ok) {
        window.sessionStorage.setItem(HEALED, recently() + 1 + " " + Date.now());
        reload();
      } else {
        healLater();
      }
    }, healLater);
  }

  window.addEventListener("online", heal);
  document.addEventListener("usage:back", heal);

  function failed(status) {
    if (isPassing(status) && !healing) {
      tries = recently();
      healLater();
    }
    if (status === 401) {
      show(panel("You are signed out", "Sign in again to see this page.", "Sign in", signIn));
    } else if (status === 0) {
      show(
        panel(
          "This page could not be loaded",
          "The server did not answer. It is tried again by itself.",
          "Retry",
          reload
        )
      );
    } else if (status === 503) {
      show(
        panel(
          "This page could not be loaded",
          "What it is read from can’t be reached at the moment. Nothing is lost, and it is tried again by itself.",
          "Retry",
          reload
        )
      );
    } else {
      show(
        panel(
          "This page could not be loaded",
          "The server answered with an error (" + status + "). Nothing was changed.",
          "Retry",
          reload
        )
      );
    }
  }

  function isPageRequest(resource, options) {
    var address = typeof resource === "string" ? resource : resource.url || String(resource);
    if (/_dash-(layout|dependencies)(\?|$)/.test(address)) {
      return true;
    }
    var body = options && options.body;
    return (
      address.indexOf("_dash-update-component") >= 0 &&
      typeof body === "string" &&
      body.indexOf(PAGE) >= 0
    );
  }

  window.fetch = function (resource, options) {
    var answer = send.apply(window, arguments);
    if (!isPageRequest(resource, options)) {
      return answer;
    }
    return answer.then(
      function (response) {
        if (response.status >= 400) {
          failed(response.status);
        } else {
          clear();
        }
        return response;
      },
      function (error) {
        /* Leaving the page aborts its requests; that is no failure to report. */
        if (error.name !== "AbortError") {
          failed(0);
        }
        throw error;
      }
    );
  };

  function showCurrentPreset() {
    var current = document.querySelector(".seg-presets [aria-current]");
    if (current) {
      var row = current.parentElement;
      row.scrollLeft = current.offsetLeft - (row.clientWidth - current.offsetWidth) / 2;
    }
  }

  /* The answer has come, but React may need some frames until its elements are there. */
  function scrollToHash(framesLeft) {
    var target = document.getElementById(window.location.hash.slice(1));
    if (target) {
      holdInView(target, STEADY_FRAMES);
    } else if (framesLeft > 0) {
      window.requestAnimationFrame(function () {
        scrollToHash(framesLeft - 1);
      });
    }
  }

  /* What is drawn above the target meanwhile pushes it away: it is held until all of it is there,
     or until the reader scrolls. */
  function holdInView(target, framesLeft) {
    var isLeft = false;
    var leave = function () {
      isLeft = true;
    };
    ["wheel", "touchstart", "keydown", "pointerdown"].forEach(function (name) {
      window.addEventListener(name, leave, { once: true, passive: true });
    });
    (function hold(left) {
      var now = document.getElementById(target.id);
      if (isLeft || left <= 0 || !now) {
        return;
      }
      var margin = parseFloat(getComputedStyle(now).scrollMarginTop) || 0;
      if (Math.abs(now.getBoundingClientRect().top - margin) > 2) {
        now.scrollIntoView({ behavior: "instant", block: "start" });
      }
      window.requestAnimationFrame(function () {
        hold(left - 1);
      });
    })(framesLeft);
  }

  function arrived() {
    window.requestAnimationFrame(showCurrentPreset);
    if (window.location.hash) {
      scrollToHash(MOST_FRAMES);
    } else if (isOtherPage && document.activeElement === document.body) {
      var main = document.getElementById("main");
      if (main) {
        main.focus({ preventScroll: true });
      }
    }
    isOtherPage = false;
  }

  document.addEventListener("usage:navigate", function (event) {
    isOtherPage = event.detail.isOtherPage;
  });

  new MutationObserver(function (changes) {
    changes.forEach(function (change) {
      var isDone = change.target.id === PAGE && !change.target.hasAttribute("data-dash-is-loading");
      if (isDone) {
        window.setTimeout(arrived, 0);
      }
    });
  }).observe(document.documentElement, {
    subtree: true,
    attributes: true,
    attributeFilter: ["data-dash-is-loading"],
  });
})();
