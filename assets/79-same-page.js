/* Another period or filter on the same page: Dash would take the whole page away and draw it anew.
   Only what differs is changed instead, which takes a third of the time, and open details, focus and
   scroll position stay. Where that can't be done, Dash does what it always does. */
(function () {
  "use strict";
  var PAGE = "_pages_content";
  var STORE = "_pages_store";
  var send = window.fetch;

  /* The address that a request is about, when it is for a whole page; else null. */
  function addressOf(resource, options) {
    var body = options && options.body;
    var isPage =
      typeof resource === "string" &&
      resource.indexOf("_dash-update-component") >= 0 &&
      typeof body === "string" &&
      body.indexOf('"..' + PAGE + ".children") >= 0;
    if (!isPage) {
      return null;
    }
    var values = {};
    JSON.parse(body).inputs.forEach(function (input) {
      values[input.property] = input.value;
    });
    return values;
  }

  function isShown(address) {
    var app = document.querySelector("#" + PAGE + " .app[data-live-view]");
    return Boolean(app) && app.getAttribute("data-live-view").split("?")[0] === address.pathname;
  }

  function isWanted(address) {
    var here = window.location;
    return here.pathname === address.pathname && here.search === address.search;
  }

  /* Changes the page in place; what is left for Dash is the title, or all of it. */
  function changeInPlace(answer) {
    var regions = {};
    regions[PAGE] = answer.response[PAGE].children;
    try {
      window.usageLive.change(window.usageLive.changesOf(regions));
    } catch (error) {
      window.console.error("The page is drawn anew:", error);
      return answer;
    }
    var rest = {};
    rest[STORE] = answer.response[STORE];
    return Object.assign({}, answer, { response: rest });
  }

  window.fetch = function (resource, options) {
    var address = addressOf(resource, options);
    var answer = send.apply(window, arguments);
    if (!address || !isShown(address)) {
      return answer;
    }
    return answer.then(function (response) {
      if (response.status !== 200 || !isWanted(address)) {
        return response; /* an answer that came too late is dropped by Dash */
      }
      return response.json().then(function (whole) {
        var isFit = whole.response && whole.response[PAGE] && isWanted(address);
        var left = isFit ? changeInPlace(whole) : whole;
        return new Response(JSON.stringify(left), {
          status: 200,
          headers: { "Content-Type": "application/json" },
        });
      });
    });
  };
})();
