/* Changes live regions of the page into what the server says they are now. Only what differs is
   changed, by Dash itself, so that open details, focus, scroll position and selected text stay. */
(function () {
  "use strict";
  var FLASH_MS = 1400;
  var REST_OF_COST = 2;
  var MOST_NEW_ROWS = 5; /* in a flood of usage everything is new, and nothing would stand out */
  var calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  /* --- what differs ------------------------------------------------------------------------------------ */
  function isComponent(node) {
    return node !== null && typeof node === "object" && "namespace" in node && "type" in node;
  }

  function isSame(one, other) {
    return one === other || JSON.stringify(one) === JSON.stringify(other);
  }

  function isText(node) {
    return node === null || node === undefined || typeof node !== "object";
  }

  /* Collects {path, props} for every component that differs, as deep in the tree as can be. */
  function compare(path, before, after, changes) {
    var props = {};
    var isChanged = false;
    Object.keys(Object.assign({}, before.props, after.props)).forEach(function (name) {
      if (name !== "children" && !isSame(before.props[name], after.props[name])) {
        props[name] = name in after.props ? after.props[name] : null;
        isChanged = true;
      }
    });
    var old = before.props.children;
    var fresh = after.props.children;
    if (!compareChildren(path, old, fresh, changes)) {
      props.children = fresh === undefined ? null : fresh;
      isChanged = true;
    }
    if (isChanged) {
      changes.push({ path: path, props: props });
    }
  }

  /* Whether the children could be compared one by one; if not, they are replaced. */
  function compareChildren(path, old, fresh, changes) {
    if (isText(old) && isText(fresh)) {
      return old === fresh || (isNothing(old) && isNothing(fresh));
    }
    var below = path.concat(["props", "children"]);
    if (isComponent(old) && isComponent(fresh)) {
      return compareOne(below, old, fresh, changes);
    }
    if (!Array.isArray(old) || !Array.isArray(fresh) || old.length !== fresh.length) {
      return false;
    }
    var found = [];
    var isFit = old.every(function (child, index) {
      if (isComponent(child) && isComponent(fresh[index])) {
        return compareOne(below.concat([index]), child, fresh[index], found);
      }
      return isSame(child, fresh[index]) || (isNothing(child) && isNothing(fresh[index]));
    });
    if (isFit) {
      Array.prototype.push.apply(changes, found);
    }
    return isFit;
  }

  function isNothing(node) {
    return node === null || node === undefined;
  }

  function compareOne(path, old, fresh, changes) {
    if (old.type !== fresh.type || old.namespace !== fresh.namespace) {
      return false;
    }
    if (old.props.id !== fresh.props.id || isOtherRow(old, fresh)) {
      return false;
    }
    compare(path, old, fresh, changes);
    return true;
  }

  /* A link keeps its meaning, and a row its link: lists whose rows move are made again. */
  function isOtherRow(old, fresh) {
    return (old.type === "A" || old.type === "Tr") && firstHref(old) !== firstHref(fresh);
  }

  function firstHref(node) {
    if (Array.isArray(node)) {
      return node.reduce(function (found, child) {
        return found || firstHref(child);
      }, "");
    }
    if (!isComponent(node)) {
      return "";
    }
    return node.type === "A" ? node.props.href : firstHref(node.props.children);
  }

  function changesOf(regions) {
    var changes = [];
    Object.keys(regions).forEach(function (id) {
      var before = document.getElementById(id) && window.dash_component_api.getLayout(id);
      if (before) {
        var path = pathOf(id);
        var after = { props: Object.assign({}, before.props, { children: regions[id] }) };
        compare(path, before, after, changes);
      }
    });
    return changes;
  }

  function pathOf(id) {
    /* Dash finds an element by its id; below it, by the way from there. */
    var stores = window.dash_stores || (window.store ? [window.store] : []);
    for (var index = 0; index < stores.length; index += 1) {
      var path = stores[index].getState().paths.strs[id];
      if (path) {
        return path;
      }
    }
    throw new Error("no path to " + id);
  }

  /* Text that is being selected isn't pulled away: figures wait for a moment. */
  function isSelecting(changes) {
    var selection = document.getSelection();
    if (!changes.length || !selection || selection.isCollapsed) {
      return false;
    }
    var start = selection.anchorNode && selection.anchorNode.parentElement;
    return Boolean(start && start.closest(".live, #header-balance-menu"));
  }

  /* --- focus, open details, scroll, and what changed ------------------------------------------------- */
  function live() {
    return Array.from(document.querySelectorAll(".live, #header-balance-menu"));
  }

  function nameOf(element) {
    return [element.tagName, element.id, element.getAttribute("href"), element.className].join("|");
  }

  function each(selector, act) {
    live().forEach(function (region) {
      Array.from(region.querySelectorAll(selector)).forEach(function (element, index) {
        act(element, region.id + "|" + index + "|" + element.className);
      });
    });
  }

  function keepingPlace(change) {
    var focused = document.activeElement;
    var isInside = focused && focused.closest(".live, #header-balance-menu");
    var name = isInside && nameOf(focused);
    var open = new Set();
    var scrolled = new Map();
    var rows = new Set();
    each("details[open]", function (element, key) {
      open.add(key);
    });
    each(".scroll-y", function (element, key) {
      scrolled.set(key, [element.scrollTop, element.scrollLeft]);
    });
    each("tr a[href]", function (element) {
      rows.add(element.getAttribute("href"));
    });
    var observer = new MutationObserver(function () {});
    live().forEach(function (region) {
      observer.observe(region, { subtree: true, characterData: true, childList: true });
    });
    change();
    afterPaint(function () {
      each("details", function (element, key) {
        if (open.has(key) && !element.open) {
          element.open = true;
        }
      });
      each(".scroll-y", function (element, key) {
        var place = scrolled.get(key);
        if (place && element.scrollTop !== place[0]) {
          element.scrollTop = place[0];
          element.scrollLeft = place[1];
        }
      });
      if (name && !focused.isConnected && document.activeElement === document.body) {
        giveFocusBack(name);
      }
      flash(observer.takeRecords(), rows);
      observer.disconnect();
    });
  }

  function afterPaint(act) {
    window.requestAnimationFrame(function () {
      window.setTimeout(act, 0);
    });
  }

  function giveFocusBack(name) {
    live().some(function (region) {
      var found = Array.from(region.querySelectorAll("a, button, summary, input, [tabindex]"));
      var same = found.find(function (element) {
        return nameOf(element) === name;
      });
      if (same) {
        same.focus({ preventScroll: true });
      }
      return Boolean(same);
    });
  }

  /* A figure that changed shows it for a moment; nothing is said aloud. */
  function flash(records, rowsBefore) {
    if (calm.matches) {
      return;
    }
    var changed = new Set();
    records.forEach(function (record) {
      if (record.type === "characterData" && record.target.parentElement) {
        changed.add(record.target.parentElement);
      } else if (record.type === "childList") {
        Array.from(record.addedNodes).forEach(function (node) {
          if (node.nodeType === Node.TEXT_NODE && record.target.closest("td, dd, b, .fig")) {
            changed.add(record.target);
          }
        });
      }
    });
    var fresh = [];
    each("tr a[href]", function (element) {
      if (!rowsBefore.has(element.getAttribute("href"))) {
        fresh.push(element.closest("tr"));
      }
    });
    if (rowsBefore.size && fresh.length <= MOST_NEW_ROWS) {
      fresh.forEach(changed.add, changed);
    }
    changed.forEach(function (element) {
      if (element.isConnected && !element.closest("svg, .watermark")) {
        var soft = getComputedStyle(document.documentElement).getPropertyValue("--accent-soft");
        element.animate([{ backgroundColor: soft.trim() }, {}], FLASH_MS);
      }
    });
  }

  function change(changes) {
    changes.forEach(function (each) {
      window.dash_clientside.set_props(each.path, each.props);
    });
  }

  var restUntil = 0;

  function apply(changes) {
    var begun = Date.now();
    keepingPlace(function () {
      change(changes);
    });
    afterPaint(function () {
      restUntil = Date.now() + REST_OF_COST * (Date.now() - begun);
    });
  }

  /* How long the page should be left alone, so that a flood of usage doesn't make it sluggish. */
  function restMilliseconds() {
    return Math.max(0, restUntil - Date.now());
  }

  window.usageLive = {
    changesOf: changesOf,
    change: change,
    isSelecting: isSelecting,
    apply: apply,
    restMilliseconds: restMilliseconds,
  };
})();
