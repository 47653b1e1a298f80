/* One stream for all tabs of this browser. As a shared worker it serves every tab; where there are
   none, a tab runs it as a worker of its own. Tabs say which page they show; the stream is opened
   with the pages that are visible, and opened again when they change or it breaks off.

   From a tab: {type: "page", address, place, account}, {type: "hidden"}, {type: "ping"},
   {type: "online"}, {type: "gone"}. To a tab: {type: "regions", …},
   {type: "state", state, account, isBack}, {type: "notices", account, regions, notifications}:
   each notification goes to one tab alone, the one that was shown last. */
(function () {
  "use strict";
  var SETTLE_MS = 60;
  var FIRST_WAIT_MS = 500;
  var LONGEST_WAIT_MS = 10000;
  var SILENCE_MS = 40000; /* the server says something every 15 s */
  var NOTICE_MS = 10000;
  var LATE_MS = 2000; /* a timer as late as this was asleep with its machine */
  var STALE_MS = 60000; /* away for longer: nothing the page shows is taken as current */
  var FORGET_MS = 90000;
  var MOST_PAGES = 8;
  var MOST_TOLD = 500;

  var tabs = new Map(); /* by port: {page, account, heardAt} */
  var told = new Set(); /* ids of notifications that a tab was given */
  var stream = null; /* {address, abort, account} */
  var state = "live";
  var stateAccount = null;
  var wait = FIRST_WAIT_MS;
  var downSince = 0;
  var timers = {};

  function later(name, act, milliseconds) {
    clearTimeout(timers[name]);
    timers[name] = setTimeout(act, milliseconds);
  }

  function tell(message, account) {
    tabs.forEach(function (tab, port) {
      if (account === undefined || tab.account === account) {
        port.postMessage(message);
      }
    });
  }

  function setState(next) {
    if (state !== next) {
      state = next;
      tell({ type: "state", state: state, account: stateAccount });
    }
  }

  /* --- which stream -------------------------------------------------------------------------- */
  function wanted() {
    var isStale = downSince && Date.now() - downSince > STALE_MS;
    var pages = new Map(); /* of two tabs on one page, the older one decides what is new */
    tabs.forEach(function (tab) {
      if (!tab.page) {
        return;
      }
      var known = pages.get(tab.page.address);
      if (!known || line(tab.page.place) < line(known)) {
        pages.set(tab.page.address, tab.page.place);
      }
    });
    var query = new URLSearchParams({ event: "regions" });
    query.append("event", "notifications");
    var addresses = Array.from(pages.keys()).sort().slice(0, MOST_PAGES);
    addresses.forEach(function (address) {
      query.append("view", address);
      query.append("seen", isStale ? "0-0" : pages.get(address));
    });
    return { key: addresses.join("\n"), query: query, isEmpty: addresses.length === 0 };
  }

  function line(place) {
    return Number(place.split("-")[0]) + Number(place.split("-")[1]);
  }

  function close() {
    if (stream) {
      stream.abort.abort();
      stream = null;
    }
    clearTimeout(timers.silence);
    clearTimeout(timers.again);
  }

  function settle() {
    later("settle", open, SETTLE_MS);
  }

  function open(isAgain) {
    var next = wanted();
    if (!isAgain && stream && stream.key === next.key && !stream.mustReopen) {
      return;
    }
    close();
    if (next.isEmpty || state === "ended") {
      clearTimeout(timers.notice);
      if (state === "paused") {
        state = "live"; /* nobody looks: nothing is paused, and whoever comes back is told anew */
        downSince = 0;
      }
      return;
    }
    stream = { key: next.key, abort: new AbortController(), account: null, mustReopen: false };
    follow(stream, "/stream?" + next.query.toString());
  }

  function follow(mine, address) {
    var options = {
      credentials: "same-origin",
      cache: "no-store",
      headers: { Accept: "text/event-stream" },
      signal: mine.abort.signal,
    };
    var hasAnswered = false;
    later("silence", broken.bind(null, mine), SILENCE_MS);
    fetch(address, options)
      .then(function (response) {
        if (response.status === 401) {
          ended(mine);
          return null;
        }
        if (response.status !== 200) {
          throw new Error("the stream was refused: " + response.status);
        }
        hasAnswered = true;
        return read(mine, response.body.getReader());
      })
      .then(function () {
        broken(mine);
      })
      .catch(function () {
        if (hasAnswered && mine === stream) {
          wait = FIRST_WAIT_MS;
        }
        broken(mine);
      });
  }

  function read(mine, reader) {
    var decoder = new TextDecoder();
    var rest = "";
    function next(part) {
      if (mine !== stream) {
        return reader.cancel();
      }
      if (part.done) {
        return null;
      }
      later("silence", broken.bind(null, mine), SILENCE_MS);
      var blocks = (rest + decoder.decode(part.value, { stream: true })).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(function (block) {
        heard(mine, block);
      });
      return reader.read().then(next);
    }
    return reader.read().then(next);
  }

  function broken(mine) {
    if (mine !== stream) {
      return;
    }
    close();
    if (!downSince) {
      downSince = Date.now();
      noticeLater();
    }
    later("again", open.bind(null, true), Math.min(wait * (0.75 + Math.random() / 2), LONGEST_WAIT_MS));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }

  /* Says that updates are paused when the line was down all the while, not when all slept. */
  function noticeLater() {
    var due = Date.now() + NOTICE_MS;
    later("notice", function () {
      if (Date.now() - due > LATE_MS) {
        noticeLater();
        again();
      } else if (downSince) {
        setState("paused");
      }
    }, NOTICE_MS);
  }

  /* The network is back: there is no reason to wait. */
  function again() {
    if (downSince && state !== "ended") {
      wait = FIRST_WAIT_MS;
      open(true);
    }
  }

  function ended(mine) {
    if (mine === stream) {
      close();
      clearTimeout(timers.notice);
      setState("ended");
    }
  }

  /* --- what it says ---------------------------------------------------------------------------- */
  function heard(mine, block) {
    var name = "";
    var data = "";
    block.split("\n").forEach(function (text) {
      if (text.indexOf("event: ") === 0) {
        name = text.slice(7);
      } else if (text.indexOf("data: ") === 0) {
        data = text.slice(6);
      }
    });
    if (mine !== stream || !name) {
      return;
    }
    var body = JSON.parse(data);
    if (name === "hello") {
      isUp(mine, body.account);
    } else if (name === "account") {
      isUp(mine, body.account);
      broken(mine);
    } else if (name === "bye" && body.reason === "signed_out") {
      ended(mine);
    } else if (name === "regions") {
      regions(body);
    } else if (name === "notifications") {
      notices(body);
    }
  }

  function isUp(mine, account) {
    var isBack = downSince !== 0;
    mine.account = account;
    wait = FIRST_WAIT_MS;
    downSince = 0;
    clearTimeout(timers.notice);
    stateAccount = account;
    state = "live";
    tell({ type: "state", state: state, account: account, isBack: isBack });
  }

  function regions(body) {
    tabs.forEach(function (tab, port) {
      var isShown = tab.page && tab.page.address === body.view && tab.account === body.account;
      if (isShown) {
        tab.page.place = body.place;
        port.postMessage({
          type: "regions",
          account: body.account,
          address: body.view,
          regions: body.regions,
        });
      }
    });
  }

  /* The bell is everybody's; what is new is shown once, however many tabs there are. */
  function notices(body) {
    var shownLast = null;
    tabs.forEach(function (tab, port) {
      var isHere = tab.page && tab.account === body.account;
      if (isHere && (!shownLast || tab.shownAt > tabs.get(shownLast).shownAt)) {
        shownLast = port;
      }
    });
    var fresh = body.notifications.filter(function (notice) {
      return shownLast && !told.has(notice.id);
    });
    fresh.forEach(function (notice) {
      told.add(notice.id);
      if (told.size > MOST_TOLD) {
        told.delete(told.values().next().value);
      }
    });
    tabs.forEach(function (tab, port) {
      if (tab.account === body.account) {
        port.postMessage({
          type: "notices",
          account: body.account,
          regions: body.regions,
          notifications: port === shownLast ? fresh : [],
        });
      }
    });
  }

  /* --- tabs -------------------------------------------------------------------------------------- */
  function said(port, message) {
    var tab = tabs.get(port) || { page: null, account: null };
    tab.heardAt = Date.now();
    tabs.set(port, tab);
    if (message.type === "page") {
      var wasShown = tab.page !== null;
      tab.page = { address: message.address, place: message.place };
      tab.account = message.account;
      tab.shownAt = Date.now();
      if (state === "ended") {
        state = "live"; /* a page was shown, so somebody is signed in */
        downSince = 0;
      }
      if (stream && stream.account && stream.account !== tab.account) {
        stream.mustReopen = true; /* another account was chosen in this tab */
      }
      /* What this tab has missed is told only by a stream that begins with its place. */
      if (stream && (message.isNew || !wasShown)) {
        stream.mustReopen = true;
      }
      if (state !== "live") {
        port.postMessage({ type: "state", state: state, account: stateAccount });
      }
    } else if (message.type === "hidden") {
      tab.page = null;
    } else if (message.type === "gone") {
      tabs.delete(port);
    } else if (message.type === "online") {
      again();
      return;
    } else {
      return;
    }
    settle();
  }

  function forget() {
    var now = Date.now();
    var isFewer = false;
    tabs.forEach(function (tab, port) {
      if (now - tab.heardAt > FORGET_MS) {
        tabs.delete(port);
        isFewer = true;
      }
    });
    if (isFewer) {
      settle();
    }
  }

  function attach(port) {
    port.onmessage = function (event) {
      said(port, event.data);
    };
  }

  setInterval(forget, FORGET_MS / 3);
  self.addEventListener("online", again);
  if ("onconnect" in self) {
    self.onconnect = function (event) {
      attach(event.ports[0]);
    };
  } else {
    attach(self);
  }
})();
