import { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { type StaticContent, sendStatic, staticContent } from "./conditional_answer.ts";
import type { EdgeContext, EdgeDeps, Route } from "./edge.ts";
import { openApiDocument } from "./openapi.ts";
import { Refusal } from "./refusal.ts";

/** Everything comes from this service: clusters often have no way to the internet. Scripts make styles and workers. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join("; ");

// All addresses are relative, so that the pages work below whatever path a proxy puts before them.

const SWAGGER_UI_PAGE = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bartender - Swagger UI</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

/** A token that is typed in is forgotten with the page. */
const SWAGGER_UI_START = `"use strict";
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  displayRequestDuration: true,
  validatorUrl: null,
});
`;

const REDOC_PAGE = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bartender - ReDoc</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<style>body { margin: 0; padding: 0 } img[src^="https://cdn."] { display: none }</style>
</head>
<body>
<redoc spec-url="openapi.json"></redoc>
<script src="redoc/redoc.standalone.js"></script>
</body>
</html>
`;

/** Files of npm packages that the pages load: where they are served, the package, the path in it, their type. */
const PACKAGE_FILES = [
  ["/api/docs/swagger-ui.css", "swagger-ui-dist", "swagger-ui.css", "text/css; charset=utf-8"],
  ["/api/docs/swagger-ui-bundle.js", "swagger-ui-dist", "swagger-ui-bundle.js", "text/javascript; charset=utf-8"],
  ["/api/docs/favicon-32x32.png", "swagger-ui-dist", "favicon-32x32.png", "image/png"],
  ["/api/redoc/redoc.standalone.js", "redoc", "bundles/redoc.standalone.js", "text/javascript; charset=utf-8"],
] as const;

/** The API's description, and two pages that show it; for everybody. */
export function documentationRoutes(deps: EdgeDeps): readonly Route[] {
  const document = openApiDocument({
    version: packageJson.version,
    applications: deps.applications,
    interactiveApplications: deps.interactive.applications,
  });
  const page = (html: string) =>
    text(html, "text/html; charset=utf-8", { "content-security-policy": CONTENT_SECURITY_POLICY });
  const contents = new Map<string, () => Promise<StaticContent>>([
    ["/api/openapi.json", ready(text(JSON.stringify(document), "application/json"))],
    ["/api/docs", ready(page(SWAGGER_UI_PAGE))],
    ["/api/docs/start.js", ready(text(SWAGGER_UI_START, "text/javascript; charset=utf-8"))],
    ["/api/redoc", ready(page(REDOC_PAGE))],
    ...PACKAGE_FILES.map(
      ([path, name, file, type]) => [path, once(() => readPackageFile(name, file, type, deps.bundledFile))] as const,
    ),
  ]);
  return [...contents].map(([path, content]) => ({
    method: "GET",
    path,
    handle: async (c: EdgeContext) => sendStatic(c, await content()),
  }));
}

function text(content: string, contentType: string, headers: Readonly<Record<string, string>> = {}): StaticContent {
  return staticContent(Buffer.from(content), contentType, headers);
}

async function readPackageFile(
  packageName: string,
  file: string,
  contentType: string,
  bundled: EdgeDeps["bundledFile"],
): Promise<StaticContent> {
  try {
    const content = await bundled?.(`${packageName}/${file}`);
    if (content !== undefined) return staticContent(Buffer.from(content), contentType);
    const directory = dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`));
    return staticContent(await readFile(join(directory, file)), contentType);
  } catch (error) {
    throw new Refusal(404, `${file} is not part of this installation`, { cause: error });
  }
}

function ready(content: StaticContent): () => Promise<StaticContent> {
  return async () => content;
}

/** Reads at the first request; the pages are rarely looked at. */
function once(read: () => Promise<StaticContent>): () => Promise<StaticContent> {
  let content: Promise<StaticContent> | undefined;
  return () => {
    content ??= read();
    return content;
  };
}
