/* Buttons that change something on the server: data-post names the address, data-field-* its
   fields. The form is built here, with the token of the cookie, and sent as a real form; a form that
   a page already has gets the token as it is sent. The
   sign-in page uses this file too: data-fill-email and data-fill-password fill its form. */
(function () {
  "use strict";

  function cookie(name) {
    var found = document.cookie.split("; ").find(function (pair) {
      return pair.indexOf(name + "=") === 0;
    });
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }

  function field(form, name, value) {
    var input = document.createElement("input");
    input.type = "hidden";
    input.name = name;
    input.value = value;
    form.appendChild(input);
  }

  function post(button) {
    var form = document.createElement("form");
    form.method = "post";
    form.action = button.getAttribute("data-post");
    form.hidden = true;
    Array.from(button.attributes).forEach(function (attribute) {
      if (attribute.name.indexOf("data-field-") === 0) {
        field(form, attribute.name.slice("data-field-".length), attribute.value);
      }
    });
    field(form, "csrf_token", cookie("_csrf_token"));
    document.body.appendChild(form);
    button.disabled = true;
    form.submit();
  }

  function fill(button) {
    var form = document.querySelector(".auth form");
    form.querySelector("[type=email]").value = button.getAttribute("data-fill-email");
    form.querySelector("[type=password]").value = button.getAttribute("data-fill-password");
    form.querySelector("[type=submit]").focus();
  }

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.querySelector("[name=csrf_token]")) {
      return;
    }
    field(form, "csrf_token", cookie("_csrf_token"));
    form.querySelectorAll("[type=submit]").forEach(function (button) {
      button.disabled = true; /* sent once, however often it is pressed */
    });
  });

  document.addEventListener("click", function (event) {
    var poster = event.target.closest("[data-post]");
    var filler = event.target.closest("[data-fill-email]");
    if (poster) {
      event.preventDefault();
      post(poster);
    } else if (filler) {
      fill(filler);
    }
  });
})();
