// The page of documentation: Swagger UI over openapi.json, all of it from here. Pure.

/** What the page needs of swagger-ui-dist. */
export const SWAGGER_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'] as const

/** What begins it, beside them. */
export const START_SCRIPT_NAME = 'start.js'

/** Neither scripts nor styles in it, as the policy forbids them: http/security-headers.ts. */
export const PAGE = `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>antipasto API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
  </head>
  <body>
    <div id="documentation"></div>
    <noscript>This page needs JavaScript. The same is told by <a href="/openapi.json">openapi.json</a>.</noscript>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/${START_SCRIPT_NAME}"></script>
  </body>
</html>
`

/**
 * The key that is pasted under "Authorize" lives as long as the page, and nothing is asked of other hosts. Colouring the examples
 * of every refusal would take longer than all the rest.
 */
export const START_SCRIPT = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#documentation',
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  queryConfigEnabled: false,
  displayRequestDuration: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  syntaxHighlight: { activated: false },
})
`
