import { expect } from "bun:test";
import type createClient from "openapi-fetch";
import { type DaemonProcess, zipFile } from "./daemon_process.ts";
import type { paths } from "./web_client_api.ts";

/** A client of the newest release; older ones take the same calls. */
export type WebClient = ReturnType<typeof createClient<paths>>;

/** A workflow that leaves what the application in production leaves. */
const WORKFLOW = `
mkdir -p output/analysis/12_caprieval_analysis output/00_topoaa output/11_alascan output/2_rigidbody
printf '<h1>Report</h1>' > output/analysis/12_caprieval_analysis/report.html
echo ATOM | gzip -n > output/00_topoaa/model.pdb.gz
echo '{"output": []}' > output/11_alascan/io.json
echo started; echo careful >&2
`;

/** What the client gets to know of a call: the body it parsed, the error it parsed, and the response. */
interface Outcome {
  readonly data?: unknown;
  readonly error?: unknown;
  readonly response: Response;
}

const statusOf = ({ response }: Outcome) => response.status;

/** Does all that the web application does, in the order in which its user goes through it. */
export async function useLikeTheWebApplication(client: WebClient, daemon: DaemonProcess): Promise<void> {
  expect((await client.GET("/api/job/", { params: { query: { limit: 100, offset: 0 } } })).data).toEqual([]);
  await refusesNonsense(client);

  const jobid = await submit(client, "/api/application/haddock3", { "workflow.cfg": WORKFLOW, "data/a.pdb": "ATOM\n" });
  const job = await completed(client, jobid);
  expect(Object.keys(job).slice(0, 6)).toEqual(["id", "name", "application", "state", "created_on", "updated_on"]);
  expect(job).toMatchObject({ id: jobid, name: "input.zip", application: "haddock3", state: "ok" });
  expect(new Date(job.updated_on).getTime()).toBeGreaterThanOrEqual(new Date(job.created_on).getTime());
  const { data: table } = await client.GET("/api/job/", { params: { query: { limit: 100, offset: 0 } } });
  expect(table).toEqual([job]);

  await readsLogsAndFiles(client, jobid);
  await browses(client, jobid);
  await downloads(client, jobid);
  await usesTools(client, jobid);
  await renames(client, jobid);
  await pendingJob(client, daemon);
  await imports(client);

  const deleted = await client.DELETE("/api/job/{jobid}", { params: { path: { jobid } } });
  expect([statusOf(deleted), deleted.error]).toEqual([204, undefined]);
  const again = await client.DELETE("/api/job/{jobid}", { params: { path: { jobid } } });
  expect([statusOf(again), again.error]).toEqual([404, { detail: "Job not found" }]);
}

/** @returns the number after the last slash of `Location` */
async function submit(
  client: WebClient,
  application: "/api/application/haddock3" | "/api/application/runimport",
  files: Readonly<Record<string, string>>,
): Promise<number> {
  const form = new FormData();
  form.set("upload", zipFile(files));
  const { response } = await client.PUT(application, {
    body: { upload: "" },
    bodySerializer: () => form,
    redirect: "manual",
  });
  expect(response.status).toBe(303);
  return Number.parseInt(response.headers.get("location")?.split("/").pop() ?? "", 10);
}

/** Asks again and again until the state is final. */
async function completed(client: WebClient, jobid: number) {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await Bun.sleep(20)) {
    const { data, response } = await client.GET("/api/job/{jobid}", { params: { path: { jobid } } });
    if (data === undefined) throw new Error(`Job ${jobid}: ${response.status}`);
    if (data.state === "ok" || data.state === "error") return data;
  }
  throw new Error(`Job ${jobid} does not end`);
}

async function refusesNonsense(client: WebClient): Promise<void> {
  const broken = await client.GET("/api/job/{jobid}", { params: { path: { jobid: Number.NaN } } });
  expect([statusOf(broken), broken.error]).toEqual([
    422,
    { detail: [{ loc: ["path", "jobid"], msg: "value is not a valid integer", type: "type_error.integer" }] } as never,
  ]);
  const anonymous = await client.GET("/api/job/", { headers: { Authorization: "" } });
  expect([statusOf(anonymous), anonymous.error]).toEqual([403, { detail: "Not authenticated" }]);
  const stranger = await client.GET("/api/job/", { headers: { Authorization: "Bearer a.b" } });
  expect(statusOf(stranger)).toBe(401);
  expect(stranger.error).toHaveProperty("detail", expect.any(String));
}

async function readsLogsAndFiles(client: WebClient, jobid: number): Promise<void> {
  const params = { path: { jobid } };
  const stdout = await client.GET("/api/job/{jobid}/stdout", { params, parseAs: "stream" });
  expect(await textOf(stdout)).toBe("started\n");
  const stderr = await client.GET("/api/job/{jobid}/stderr", { params, parseAs: "stream" });
  expect(await textOf(stderr)).toBe("careful\n");

  const file = (path: string) =>
    client.GET("/api/job/{jobid}/files/{path}", { params: { path: { jobid, path } }, parseAs: "stream" });
  const report = await file("output/analysis/12_caprieval_analysis/report.html");
  expect(await textOf(report)).toBe("<h1>Report</h1>");
  expect(report.response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(report.response.headers.get("content-disposition")).toStartWith("inline");
  const model = await file("output/00_topoaa/model.pdb.gz");
  expect(model.response.headers.get("content-encoding")).toBeNull();
  const bytes = new Uint8Array(await new Response(model.data as ReadableStream).arrayBuffer());
  expect(new TextDecoder().decode(Bun.gunzipSync(bytes))).toBe("ATOM\n");
  expect(statusOf(await file("workflow.cfg"))).toBe(200);
  const absent = await file("output/nowhere.html");
  expect([statusOf(absent), absent.error]).toEqual([404, { detail: "File not found" }]);
  const json = await client.GET("/api/job/{jobid}/files/{path}", {
    params: { path: { jobid, path: "output/11_alascan/io.json" } },
    parseAs: "json",
  });
  expect(json.data as unknown).toEqual({ output: [] });
}

async function browses(client: WebClient, jobid: number): Promise<void> {
  const whole = await client.GET("/api/job/{jobid}/directories", {
    params: { path: { jobid }, query: { max_depth: 3 } },
  });
  expect(whole.data).toMatchObject({ name: "", path: ".", is_dir: true, is_file: false });
  expect(whole.data?.children?.map(({ name }) => name)).toEqual([
    "data",
    "output",
    "returncode",
    "stderr.txt",
    "stdout.txt",
    "workflow.cfg",
  ]);
  const list = async (path: string, max_depth?: number) =>
    (
      await client.GET("/api/job/{jobid}/directories/{path}", {
        params: { path: { jobid, path }, query: max_depth === undefined ? {} : { max_depth } },
      })
    ).data;
  const output = await list("output", 1);
  expect(output?.children?.map(({ name, children }) => [name, children])).toEqual([
    ["00_topoaa", undefined],
    ["11_alascan", undefined],
    ["2_rigidbody", undefined],
    ["analysis", undefined],
  ]);
  expect((await list("output", 3))?.children?.at(-1)?.children?.at(0)?.children?.at(0)).toEqual({
    name: "report.html",
    path: "output/analysis/12_caprieval_analysis/report.html",
    is_dir: false,
    is_file: true,
  });
  expect((await list("output/11_alascan/"))?.children?.map(({ path }) => path)).toEqual(["output/11_alascan/io.json"]);
}

async function downloads(client: WebClient, jobid: number): Promise<void> {
  const whole = await client.GET("/api/job/{jobid}/archive", {
    params: { path: { jobid }, query: { archive_format: ".zip", filename: "haddock3-5.zip" } },
    parseAs: "stream",
  });
  expect(whole.response.headers.get("content-disposition")).toBe('attachment; filename="haddock3-5.zip"');
  expect(whole.response.headers.get("content-type")).toBe("application/zip");
  expect(await entriesOf(whole)).toContain("output/analysis/12_caprieval_analysis/report.html");

  const input = await client.GET("/api/job/{jobid}/archive", {
    params: {
      path: { jobid },
      query: {
        archive_format: ".zip",
        exclude: ["stderr.txt", "stdout.txt", "returncode", "workflow.cfg.orig"],
        exclude_dirs: ["output"],
        filename: "",
      },
    },
    parseAs: "stream",
  });
  expect(input.response.headers.get("content-disposition")).toBe(`attachment; filename="${jobid}.zip"`);
  expect(await entriesOf(input)).toEqual(["data/", "data/a.pdb", "workflow.cfg"]);

  const part = await client.GET("/api/job/{jobid}/archive/{path}", {
    params: { path: { jobid, path: "output/analysis" }, query: { archive_format: ".zip", filename: "analysis.zip" } },
    parseAs: "stream",
  });
  expect(await entriesOf(part)).toEqual(["12_caprieval_analysis/", "12_caprieval_analysis/report.html"]);
}

async function usesTools(client: WebClient, jobid: number): Promise<void> {
  const params = { path: { jobid } };
  const rescore = await client.POST("/api/job/{jobid}/interactive/rescore", {
    params,
    body: { capri_dir: "output/5 capri", module_nr: 5, w_elec: 0.2, w_vdw: 1, w_desolv: 1, w_bsa: -0.01, w_air: 0.1 },
  });
  expect(rescore.data).toEqual({
    returncode: 0,
    stderr: "",
    stdout: "score --w_elec 0.2 --w_vdw 1 --w_desolv 1 --w_bsa -0.01 --w_air 0.1 output/5 capri -m 5\n",
  });
  const fcc = await client.POST("/api/job/{jobid}/interactive/reclustfcc", {
    params,
    body: { clustfcc_dir: "output/7", module_nr: 7, clust_cutoff: 0.6, strictness: 0.75, min_population: 4 },
  });
  expect(fcc.data?.stdout).toStartWith("clustfcc --plot_matrix --clust_cutoff 0.6");
  const rmsd = await client.POST("/api/job/{jobid}/interactive/reclustrmsd", {
    params,
    body: { clustrmsd_dir: "output/8", module_nr: 8, criterion: "maxclust", n_clusters: 4 },
  });
  expect(rmsd.data?.stdout).toBe("clustrmsd --n_clusters 4 output/8\n");
  const wrong = await client.POST("/api/job/{jobid}/interactive/reclustrmsd", { params, body: {} as never });
  expect(statusOf(wrong)).toBe(422);
  expect(wrong.error?.detail as unknown).toContain("'criterion' is a required property");
}

async function renames(client: WebClient, jobid: number): Promise<void> {
  const params = { path: { jobid } };
  const renamed = await client.POST("/api/job/{jobid}/name", { params, body: 'my "first" jöb' });
  expect([statusOf(renamed), renamed.error]).toEqual([200, undefined]);
  const { data } = await client.GET("/api/job/{jobid}", { params });
  expect(data?.name).toBe('my "first" jöb');
  const nameless = await client.POST("/api/job/{jobid}/name", { params, body: undefined as never });
  expect(statusOf(nameless)).toBe(422);
  expect(nameless.error?.detail as unknown).toEqual([
    { loc: ["body"], msg: "field required", type: "value_error.missing" },
  ]);
}

/** The input listing of a job that runs is asked for, too, and the refusal swallowed. */
async function pendingJob(client: WebClient, daemon: DaemonProcess): Promise<void> {
  const jobid = await submit(client, "/api/application/haddock3", { "workflow.cfg": "sleep 300" });
  await daemon.until(jobid, "running");
  const params = { path: { jobid } };
  const early = await client.GET("/api/job/{jobid}/directories", { params });
  expect([statusOf(early), early.error]).toEqual([425, { detail: "Job has not completed" }]);
  expect(statusOf(await client.DELETE("/api/job/{jobid}", { params }))).toBe(204);
  expect(statusOf(await client.GET("/api/job/{jobid}", { params }))).toBe(404);
}

async function imports(client: WebClient): Promise<void> {
  const jobid = await submit(client, "/api/application/runimport", { "05_caprieval/io.json": "{}" });
  expect(await completed(client, jobid)).toMatchObject({ application: "runimport" });
  const { data } = await client.GET("/api/job/{jobid}/directories/{path}", {
    params: { path: { jobid, path: "output" }, query: { max_depth: 3 } },
  });
  expect(data?.children?.map(({ name }) => name)).toContain("05_caprieval");
}

async function textOf(outcome: Outcome): Promise<string> {
  expect(statusOf(outcome)).toBe(200);
  return await new Response(outcome.data as ReadableStream).text();
}

async function entriesOf(outcome: Outcome): Promise<readonly string[]> {
  expect(statusOf(outcome)).toBe(200);
  const { unzipSync } = await import("fflate");
  return Object.keys(
    unzipSync(new Uint8Array(await new Response(outcome.data as ReadableStream).arrayBuffer())),
  ).sort();
}
