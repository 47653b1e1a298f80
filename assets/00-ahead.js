/* Asks for the page at once, while the libraries that will draw it are still on their way. Dash asks
   when it has started; it is given what has come by then. A request that is any different from what
   Dash then asks for is never used, and Dash's own goes its usual way. */
(function () {
  "use strict";
  if (!("page" in document.currentScript.dataset)) {
    return;
  }
  var UPDATE = "/_dash-update-component";
  var OUTPUT = ".._pages_content.children..._pages_store.data..";
  var send = window.fetch;
  var here = window.location.pathname + window.location.search;
  var answers = new Map();

  function token() {
    var found = document.cookie.match(/(?:^|; )_csrf_token=([^;]*)/);
    return found ? decodeURIComponent(found[1]) : "";
  }

  function ask(name, method, address, body) {
    var headers = { Accept: "application/json", "Content-Type": "application/json" };
    headers["X-CSRFToken"] = token();
    var options = { method: method, headers: headers, credentials: "same-origin", body: body };
    var answer = send.call(window, address, options);
    answer.catch(function () {}); /* whoever asks for it hears of it */
    answers.set(name, answer);
  }

  function place(property) {
    return { id: "_pages_location", property: property, value: window.location[property] };
  }

  function pageBody() {
    var changed = ["_pages_location.pathname", "_pages_location.search"];
    return JSON.stringify({
      output: OUTPUT,
      outputs: [
        { id: "_pages_content", property: "children" },
        { id: "_pages_store", property: "data" },
      ],
      inputs: [place("pathname"), place("search")],
      changedPropIds: changed,
      parsedChangedPropsIds: changed,
      state: [place("search"), place("pathname")],
    });
  }

  /* The page's address that a request of Dash is about; null for any other request. */
  function addressOf(body) {
    var asked = typeof body === "string" && body.indexOf(OUTPUT) >= 0 ? JSON.parse(body) : null;
    if (!asked || asked.output !== OUTPUT) {
      return null;
    }
    var values = {};
    asked.inputs.forEach(function (input) {
      values[input.property] = input.value;
    });
    return values.pathname + values.search;
  }

  function nameOf(resource, options) {
    var path = typeof resource === "string" ? resource.split("?")[0] : "";
    if (path !== UPDATE) {
      return path;
    }
    return addressOf(options && options.body) === here ? here : "";
  }

  window.fetch = function (resource, options) {
    var name = answers.size ? nameOf(resource, options) : "";
    var answer = answers.get(name);
    answers.delete(name);
    return answer || send.apply(window, arguments);
  };

  ask(here, "POST", UPDATE, pageBody());
  ask("/_dash-layout", "GET", "/_dash-layout");
  ask("/_dash-dependencies", "GET", "/_dash-dependencies");
})();
