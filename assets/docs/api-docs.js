/* Draws the API's description. Loaded by /api/docs alone, never by the screens. */
(function () {
  "use strict";
  var root = document.documentElement;

  function follow() {
    root.classList.toggle("dark-mode", root.getAttribute("data-bs-theme") === "dark");
  }

  /* Swagger's own fields without a name, as they are drawn. */
  function label() {
    document.querySelectorAll("#servers, .body-param__text, .opblock-body textarea").forEach(
      function (field) {
        if (!field.hasAttribute("aria-label")) {
          field.setAttribute("aria-label", field.id === "servers" ? "Server" : "Request body");
        }
      }
    );
  }

  new MutationObserver(label).observe(document.getElementById("api-docs"), {
    subtree: true,
    childList: true
  });
  follow();
  new MutationObserver(follow).observe(root, { attributeFilter: ["data-bs-theme"] });
  window.SwaggerUIBundle({
    url: "/api/v1/openapi.json",
    dom_id: "#api-docs",
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null
  });
})();
