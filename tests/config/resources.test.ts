import { expect, test } from "bun:test";
import { configOf, faultLines, loadText } from "./support/load_text.ts";

function withResources(resources: string): string {
  return `applications:\n  a:\n    command_template: sleep 1\n    input_schema: {type: object, properties: {n: {type: integer}, m: {type: string}}}\n    resources: ${resources}\n`;
}

test("resources may depend on the form values", async () => {
  const config = await configOf(withResources('{cpus: "{{ n }}", memory: "{{ m }}", gpus: 0, time: PT1H}'));
  const resources = config.applications.get("a")?.resources;
  expect(resources?.({ n: 4, m: "2G" })).toEqual({ cpus: 4, memoryMb: 2048, gpus: 0, timeS: 3600 });
});

test("a form value that is no amount is told with its key", async () => {
  const config = await configOf(withResources('{cpus: "{{ n }}", memory: "{{ m }}"}'));
  const resources = config.applications.get("a")?.resources;
  expect(() => resources?.({ n: 0, m: "2G" })).toThrow('resources.cpus: expected a whole number from 1, got "0"');
  expect(() => resources?.({ n: 1, m: "much --x" })).toThrow(
    'resources.memory: expected an amount like 4G or 500M, got "much --x"',
  );
});

test("without resources a job asks for nothing", async () => {
  const config = await configOf("applications: {a: {command_template: 'true'}}");
  expect(config.applications.get("a")?.resources({})).toEqual({});
});

for (const [resources, fault] of [
  ["{cpus: many}", /resources\.cpus: expected a whole number from 1, got "many"/],
  ["{cpus: 0}", /resources\.cpus: expected a whole number from 1, got "0"/],
  ["{memory: 4X}", /resources\.memory: expected an amount like 4G/],
  ["{time: P5M}", /resources\.time: expected seconds/],
  ["{cpus: '{{ n'}", /resources\.cpus: /],
  ["{cores: 2}", /resources\.cores: .*cpus|resources: .*cores|resources\.cores/],
] as const) {
  test(`${resources} is refused when the file is read`, async () => {
    const result = await loadText(withResources(resources));
    expect(faultLines(result).join("\n")).toMatch(fault);
  });
}
