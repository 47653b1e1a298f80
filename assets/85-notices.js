/* What the stream tells a person: a toast for each notice, once in this browser; and on the inbox,
   that what it shows has been seen. The bell is changed as every live region is (80-live.js). */
(function () {
  "use strict";
  var KEPT = "usage-toasts"; /* ids that were shown, in this browser's storage */
  var MOST_KEPT = 300;
  var MOST_AT_ONCE = 3;
  var GONE_MS = 12000;
  var SEEN_MS = 1500; /* for which the inbox is looked at before it counts as read */
  var INBOX = "/billing/alerts/inbox";
  var LASTING = "critical";
  var timer = 0;
  var told = ""; /* what was posted last */

  /* --- once in a browser ------------------------------------------------------------------------- */
  function known() {
    try {
      return JSON.parse(window.localStorage.getItem(KEPT) || "[]");
    } catch (error) {
      return []; /* no storage, or not ours: the worker still tells each but once */
    }
  }

  function keep(ids) {
    try {
      window.localStorage.setItem(KEPT, JSON.stringify(ids.slice(-MOST_KEPT)));
    } catch (error) {
      window.console.warn("Toasts can't be remembered:", error);
    }
  }

  /* --- toasts ------------------------------------------------------------------------------------- */
  function element(tag, className, text) {
    var made = document.createElement(tag);
    made.className = className;
    made.textContent = text || "";
    return made;
  }

  function shelf() {
    var box = document.getElementById("toasts");
    if (!box) {
      box = document.createElement("section");
      box.id = "toasts";
      box.setAttribute("aria-label", "New notices");
      box.setAttribute("aria-live", "polite");
      document.body.appendChild(box);
    }
    return box;
  }

  function way(text, path) {
    var link = element("a", "", text);
    link.href = path;
    if (window.location.pathname !== path) {
      link.setAttribute("data-nav", "true"); /* to the same page: it is loaded anew */
    }
    return link;
  }

  function close(toast) {
    var isInside = toast.contains(document.activeElement);
    toast.remove();
    var main = document.getElementById("main");
    if (isInside && main) {
      main.focus({ preventScroll: true });
    }
  }

  /* It stays while somebody points at it or is in it by keyboard. */
  function goLater(toast) {
    var waiting = 0;
    function begin() {
      window.clearTimeout(waiting);
      waiting = window.setTimeout(function () {
        if (!toast.matches(":hover, :focus-within")) {
          close(toast);
        } else {
          begin();
        }
      }, GONE_MS);
    }
    begin();
  }

  function show(notice) {
    var toast = element("div", "toast-card toast-" + notice.level);
    toast.setAttribute("data-toast", notice.id);
    var head = element("div", "toast-head");
    head.appendChild(element("span", "level level-" + notice.level, notice.level_name));
    if (notice.is_test) {
      head.appendChild(element("span", "level", "Test"));
    }
    var button = element("button", "icon-button");
    button.type = "button";
    button.setAttribute("aria-label", "Dismiss: " + notice.title);
    button.appendChild(element("span", "icon icon-close"));
    button.addEventListener("click", function () {
      close(toast);
    });
    head.appendChild(button);
    toast.appendChild(head);
    var title = element("p", "toast-title");
    title.appendChild(way(notice.title, notice.path));
    toast.appendChild(title);
    toast.appendChild(element("p", "", notice.text));
    if (notice.action) {
      toast.appendChild(element("p", "toast-action", notice.action + "."));
    }
    var foot = element("p", "toast-foot");
    foot.appendChild(way("Open the inbox", INBOX));
    toast.appendChild(foot);
    toast.addEventListener("click", function (event) {
      if (event.target.closest("a")) {
        window.setTimeout(close, 0, toast);
      }
    });
    toast.addEventListener("keydown", function (event) {
      if (event.key === "Escape") {
        close(toast);
      }
    });
    var box = shelf();
    box.insertBefore(toast, box.firstChild);
    if (notice.level !== LASTING) {
      goLater(toast);
    }
  }

  function isListed(notice) {
    return Boolean(document.querySelector('#inbox [data-notice="' + CSS.escape(notice.id) + '"]'));
  }

  document.addEventListener("usage:notices", function (event) {
    shelf(); /* there before anything is put into it, so that it is heard */
    var ids = known();
    var fresh = event.detail.filter(function (notice) {
      return ids.indexOf(notice.id) < 0;
    });
    if (!fresh.length) {
      return;
    }
    keep(
      ids.concat(
        fresh.map(function (notice) {
          return notice.id;
        })
      )
    );
    var shown = fresh
      .filter(function (notice) {
        return !isListed(notice);
      })
      .slice(0, MOST_AT_ONCE);
    window.setTimeout(function () {
      shown.reverse().forEach(show); /* the newest ends at the top */
    }, 100);
  });

  /* --- seen --------------------------------------------------------------------------------------- */
  function cookie(name) {
    var found = document.cookie.split("; ").find(function (pair) {
      return pair.indexOf(name + "=") === 0;
    });
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }

  function saySeen(list) {
    var until = list.getAttribute("data-seen-at");
    if (until === told || !list.isConnected || document.visibilityState === "hidden") {
      return;
    }
    told = until;
    var body = new URLSearchParams({
      account: list.getAttribute("data-seen-account"),
      until: until,
      csrf_token: cookie("_csrf_token"),
    });
    window
      .fetch(list.getAttribute("data-seen-post"), { method: "POST", body: body })
      .then(function (response) {
        if (!response.ok) {
          throw new Error("it was answered " + response.status);
        }
      })
      .catch(function (error) {
        told = ""; /* tried again when the page is shown again */
        window.console.warn("What was read could not be noted:", error);
      });
  }

  function look() {
    var list = document.querySelector("#inbox[data-seen-at]");
    if (list && list.getAttribute("data-seen-at") !== told && !timer) {
      timer = window.setTimeout(function () {
        timer = 0;
        saySeen(list);
      }, SEEN_MS);
    }
  }

  new MutationObserver(look).observe(document.documentElement, { subtree: true, childList: true });
  document.addEventListener("visibilitychange", look);
})();
