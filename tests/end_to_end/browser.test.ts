import { describe, expect, test } from "bun:test";
import { type BrowserPage, browserMissing, openBrowser, shownOperation } from "../support/browser.ts";
import { type DaemonProcess, startDaemon, zipFile } from "../support/daemon_process.ts";

const CONFIG = `
job_root_dir: jobs
# Whatever else this machine does.
limits: {interactive_max_load: 1000}
applications:
  wc:
    summary: Word, line, and character count.
    description: Upload an archive with a **README.md**.
    command_template: wc README.md
    upload_needs: [README.md]
  greet:
    command_template: echo {{ greeting|q }} {{ times }}
    input_schema:
      type: object
      required: [greeting]
      properties:
        greeting: {type: string, enum: [hello, goodbye]}
        times: {type: integer, default: 1}
interactive_applications:
  head:
    command_template: head -n {{ lines }} README.md
    input_schema: {type: object, required: [lines], properties: {lines: {type: integer}}}
`;

const TIMEOUT_MS = 150_000;

interface World extends AsyncDisposable {
  readonly daemon: DaemonProcess;
  readonly browser: BrowserPage;
}

async function setup(): Promise<World> {
  const daemon = await startDaemon({ config: CONFIG });
  const browser = await openBrowser(daemon.url);
  browser.page.setDefaultTimeout(45_000);
  return {
    daemon,
    browser,
    async [Symbol.asyncDispose]() {
      await browser[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

async function authorize({ daemon, browser: { page } }: World): Promise<void> {
  await page.goto(`${daemon.url}/api/docs`);
  await page.locator(".auth-wrapper .authorize").click();
  const bearer = page.locator(".auth-container").filter({ hasText: "HTTPBearer" });
  await bearer.locator("input").fill(await daemon.token());
  await bearer.getByRole("button", { name: "Apply credentials" }).click();
  await page.locator(".modal-ux .close-modal").click();
}

async function asZip(files: Readonly<Record<string, string>>) {
  const buffer = Buffer.from(await zipFile(files).arrayBuffer());
  return { name: "readme.zip", mimeType: "application/zip", buffer };
}

describe.skipIf(browserMissing !== undefined)(`the documentation pages ${browserMissing ?? ""}`, () => {
  test(
    "let a person submit the word count, follow the job and read its output",
    async () => {
      await using world = await setup();
      const { daemon, browser } = world;
      const { page } = browser;
      await authorize(world);
      expect(await page.title()).toBe("bartender - Swagger UI");
      await browser.screenshot("docs-authorized");

      const submit = shownOperation(page, "application_wc");
      await submit.tryItOut();
      await submit.locator.locator("input[type=file]").setInputFiles(await asZip({ "README.md": "one two\nthree\n" }));
      const accepted = await submit.execute();
      await browser.screenshot("docs-submitted");
      // The browser has followed the redirect to the job.
      expect(accepted.status).toBe(200);
      const job = JSON.parse(accepted.body) as { readonly id: number };
      expect(job).toMatchObject({ application: "wc", name: "readme.zip" });
      await daemon.until(job.id, "ok");

      const state = shownOperation(page, "retrieve_job");
      await state.tryItOut();
      await state.fill("jobid", String(job.id));
      expect(JSON.parse((await state.execute()).body)).toMatchObject({ id: job.id, state: "ok" });
      await browser.screenshot("docs-state");

      const stdout = shownOperation(page, "retrieve_job_stdout");
      await stdout.tryItOut();
      await stdout.fill("jobid", String(job.id));
      expect((await stdout.execute()).body).toMatch(/2\s+3\s+14 README\.md/);
      await browser.screenshot("docs-stdout");

      const head = shownOperation(page, "interactive_application_head");
      await head.tryItOut();
      await head.fill("jobid", String(job.id));
      await head.locator.locator("textarea").fill('{"lines": 1}');
      expect(JSON.parse((await head.execute()).body)).toEqual({ returncode: 0, stderr: "", stdout: "one two\n" });
      await browser.screenshot("docs-interactive");
      expect(browser.complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    "show the form fields of an application, and forget the token with the page",
    async () => {
      await using world = await setup();
      const { daemon, browser } = world;
      const { page } = browser;
      await authorize(world);
      const submit = shownOperation(page, "application_greet");
      await submit.tryItOut();
      await submit.locator.locator("input[type=file]").setInputFiles(await asZip({ "any.txt": "" }));
      await submit.locator.locator("select:not(.content-type)").first().selectOption("goodbye");
      const accepted = await submit.execute();
      await browser.screenshot("docs-form");
      const { id } = JSON.parse(accepted.body) as { readonly id: number };
      await daemon.until(id, "ok");
      expect(await daemon.text(`/api/job/${id}/stdout`)).toBe("goodbye 1\n");

      await page.reload();
      const whoami = shownOperation(page, "whoami");
      await whoami.tryItOut();
      expect(await whoami.execute()).toEqual({ status: 403, body: '{\n  "detail": "Not authenticated"\n}' });
    },
    TIMEOUT_MS,
  );

  test(
    "show the whole API in ReDoc without asking anybody else",
    async () => {
      await using world = await setup();
      const { daemon, browser } = world;
      const { page } = browser;
      await page.goto(`${daemon.url}/api/redoc`);
      expect(await page.title()).toBe("bartender - ReDoc");
      await page.getByRole("heading", { name: "Word, line, and character count." }).waitFor();
      await page.getByRole("heading", { name: "Word, line, and character count." }).scrollIntoViewIfNeeded();
      await browser.screenshot("redoc");
      // Its script wants to show the logo of its makers.
      expect(browser.complaints.filter((complaint) => !complaint.includes("cdn.redoc.ly/redoc/logo"))).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
