import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { chromium, type Locator, type Page } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";
const SCREENSHOTS = resolve(import.meta.dir, "../../.test-results");

/** Why there can be no browser; undefined when there can. */
export const browserMissing: string | undefined = existsSync(CHROMIUM)
  ? undefined
  : `${CHROMIUM} is not there (Debian package chromium)`;

/** A page in a headless Chromium of its own. */
export interface BrowserPage extends AsyncDisposable {
  readonly page: Page;
  /** What went wrong so far: messages of scripts, and requests to other places than `origin`. */
  readonly complaints: readonly string[];
  /** Saves what is visible as `.test-results/<name>.png`. */
  screenshot(name: string): Promise<void>;
}

/** @param origin the only place that the page should need */
export async function openBrowser(origin: string): Promise<BrowserPage> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const page = await browser.newPage({ viewport: { width: 1300, height: 1000 } });
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("response", (response) => {
    const url = response.url();
    if (!url.startsWith(origin) && !url.startsWith("blob:") && !url.startsWith("data:")) {
      complaints.push(`Loaded ${url}`);
    }
  });
  return {
    page,
    complaints,
    async screenshot(name) {
      mkdirSync(SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

/** What Swagger UI shows after an operation was executed. */
export interface ShownResponse {
  readonly status: number;
  readonly body: string;
}

/** An operation in Swagger UI as a person uses it. */
export interface ShownOperation {
  /** Opens it and presses "Try it out". */
  tryItOut(): Promise<void>;
  /** Types into the field of a parameter. */
  fill(parameter: string, value: string): Promise<void>;
  /** The operation's part of the page. */
  readonly locator: Locator;
  /** Presses "Execute" and waits for the answer. */
  execute(): Promise<ShownResponse>;
}

export function shownOperation(page: Page, operationId: string): ShownOperation {
  const locator = page.locator(`.opblock[id$="-${operationId}"]`);
  return {
    locator,
    async tryItOut() {
      await locator.locator(".opblock-summary-control").click();
      await locator.getByRole("button", { name: "Try it out" }).click();
    },
    async fill(parameter, value) {
      await locator.locator(`tr[data-param-name="${parameter}"] input`).fill(value);
    },
    async execute() {
      await locator.getByRole("button", { name: "Execute" }).click();
      const response = locator.locator(".live-responses-table .response");
      await response.waitFor();
      await locator.locator(".loading-container").waitFor({ state: "detached" });
      await response.scrollIntoViewIfNeeded();
      const status = Number.parseInt((await response.locator(".response-col_status").textContent()) ?? "", 10);
      const highlighted = response.locator(
        ".response-col_description .highlight-code pre, .response-col_description pre",
      );
      return { status, body: (await highlighted.first().textContent()) ?? "" };
    },
  };
}
