/* The beginning of the single executable: what lies beside the program otherwise is inside of it. */
import process from "node:process";
import exampleConfig from "../config-example.yaml" with { type: "file" };
import redoc from "../node_modules/redoc/bundles/redoc.standalone.js" with { type: "file" };
import favicon from "../node_modules/swagger-ui-dist/favicon-32x32.png" with { type: "file" };
import swaggerStyle from "../node_modules/swagger-ui-dist/swagger-ui.css" with { type: "file" };
import swaggerScript from "../node_modules/swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import readme from "../README.md" with { type: "file" };
import { registerBundledFiles } from "../src/runtime/bundled_files.ts";
import { BUNDLED_MODULE } from "../src/runtime/self_command.ts";

registerBundledFiles({
  "bartender/README.md": readme,
  "bartender/config-example.yaml": exampleConfig,
  "redoc/bundles/redoc.standalone.js": redoc,
  "swagger-ui-dist/favicon-32x32.png": favicon,
  "swagger-ui-dist/swagger-ui.css": swaggerStyle,
  "swagger-ui-dist/swagger-ui-bundle.js": swaggerScript,
});

if (process.argv[2] === `${BUNDLED_MODULE}performer_guard`) {
  process.argv.splice(2, 1);
  await import("../src/performer_guard.ts");
} else {
  await import("../src/main.ts");
}
