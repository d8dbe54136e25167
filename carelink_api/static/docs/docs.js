"use strict";

// A token typed into the page lives in memory only: it is gone with the tab, and no outside
// validator is asked.
window.SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
