import { expect, test } from "bun:test";
import { commandEnvironment } from "../../../adapters/scheduler/command_environment.ts";

test("only allowed names are passed on", () => {
  const source = {
    PATH: "/opt/bin:/bin",
    HOME: "/home/x",
    LANG: "C.UTF-8",
    LC_ALL: "de_DE.UTF-8",
    TZ: "UTC",
    AWS_SECRET_ACCESS_KEY: "secret",
    BARTENDER_DB_PASS: "secret",
    LD_PRELOAD: "x.so",
    MY_LICENSE: "27000@host",
  };
  expect(commandEnvironment(source, ["MY_LICENSE"])).toEqual({
    PATH: "/opt/bin:/bin",
    HOME: "/home/x",
    LANG: "C.UTF-8",
    LC_ALL: "de_DE.UTF-8",
    TZ: "UTC",
    MY_LICENSE: "27000@host",
  });
});

test("the daemon's own variables stay behind even when asked for", () => {
  const source = { BARTENDER_DB_PASS: "secret", bartender_db_pass: "secret" };
  expect(commandEnvironment(source, Object.keys(source))).not.toContainValue("secret");
});

test("there is always a PATH", () => {
  expect(commandEnvironment({}, []).PATH).toContain("/usr/bin:");
  expect(commandEnvironment({ PATH: "", HOME: undefined }, [])).toEqual(commandEnvironment({}, []));
});
