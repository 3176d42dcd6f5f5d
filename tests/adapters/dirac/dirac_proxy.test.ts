import { describe, expect, test } from "bun:test";
import { readProxyInfo, refusalOf } from "../../../adapters/dirac/dirac_proxy.ts";
import type { ProxyConfig } from "../../../src/config/config.ts";

/*
 * The outputs are recorded from DIRAC 8.0.55; `dirac_proxies.test.ts` runs the same commands where there is a server.
 */

const PLACE = "/proxies/user.pem on this machine";

const SUBJECT = `subject      : /O=x/CN=me/CN=6301500417
issuer       : /O=x/CN=me
identity     : /O=x/CN=me
`;
const AWAY = `Can't update from server Error while updating from dips://localhost:59999/Configuration/Server: No CAs found!
Cannot contact CS to get user list
`;

function info(stdout: string, returnCode = 0, group?: string) {
  return readProxyInfo({ program: "dirac-proxy-info", returnCode, stdout, stderr: "" }, PLACE, group);
}

describe("how long a proxy lasts is read from its description", () => {
  test("also when that has more than two digits of hours", () => {
    const stdout = `${SUBJECT}timeleft     : 123:04:05\nDIRAC group  : dirac_user\npath         : /proxies/user.pem\n`;
    expect(info(stdout, 0, "dirac_user").leftS).toBe(123 * 3600 + 4 * 60 + 5);
  });

  test("and is nothing for one that has ended, whatever the exit status", () => {
    const stdout = `${SUBJECT}timeleft     : 00:00:00\nDIRAC group  : dirac_user\n`;
    expect(info(stdout, 0)).toEqual({ leftS: 0, reason: `The proxy in ${PLACE} has ended` });
    expect(info(`${stdout}Invalid proxy: Proxy is expired\n`, 1).leftS).toBe(0);
  });

  test("and is nothing where there is none, or something else", () => {
    const absent =
      "Can't read proxy ( 1102 : /tmp/none: Cannot open file ( 1011 : /tmp/none: FileNotFoundError(2, 'No such file or directory')) )\n";
    expect(info(`No proxy found\n${AWAY}${absent}`, 1).reason).toBe(`There is no proxy in ${PLACE}`);
    expect(info("Can't find proxy ( 1101 : )\n", 1).reason).toBe(`There is no proxy in ${PLACE}`);
    const plain = `${SUBJECT}timeleft     : 239:59:58\n==============================\n!!! The proxy is not valid !!!\n`;
    expect(info(plain)).toEqual({ leftS: 0, reason: `What is in ${PLACE} is no proxy` });
    expect(info("Can't read proxy ( 1102 : /p: Can't load certificate )\n", 1).reason).toContain("cannot be read");
  });

  test("and is nothing for another group, or one that DIRAC does not accept", () => {
    const stdout = `${SUBJECT}timeleft     : 23:59:58\nDIRAC group  : other\n`;
    expect(info(stdout, 0, "dirac_user")).toEqual({
      leftS: 0,
      reason: `The proxy in ${PLACE} is for group other and not for dirac_user`,
    });
    const refused = info(`${stdout}Invalid proxy: Group other is not valid\n`, 1);
    expect(refused).toEqual({ leftS: 0, reason: `The proxy in ${PLACE} is not accepted: Group other is not valid` });
  });

  test("and stands when DIRAC only could not be asked about its group", () => {
    const stdout = `${AWAY}${SUBJECT}timeleft     : 23:59:58\nDIRAC group  : other\nInvalid proxy: Group other is not valid\n`;
    expect(info(stdout, 1).leftS).toBe(86_398);
    const silent = `${AWAY}${SUBJECT}timeleft     : 23:59:17\npath         : /proxies/user\n`;
    expect(info(silent, 1, "dirac_user").leftS).toBe(86_357);
  });
});

describe("why no proxy was made is told with what to do about it", () => {
  const config: ProxyConfig = {
    ...{ valid: undefined, certFile: "/c.pem", keyFile: "/k.pem", group: "g", password: undefined, minLifeS: 1800 },
    ...{ logLevel: "INFO", file: undefined },
  };
  const refusal = (stdout: string, returnCode = 1, changes: Partial<ProxyConfig> = {}, stderr = "") => {
    const answer = { program: "dirac-proxy-init", returnCode, stdout, stderr };
    return refusalOf(answer, { ...config, ...changes }, "/p.pem", "this machine");
  };

  test("without a certificate", () => {
    const said =
      "Generating proxy...\nCannot load certificate nope.pem: Cannot open file ( 1011 : nope.pem: FileNotFoundError(2, 'No such file or directory'))\n";
    expect(refusal(said)).toContain("Cannot load certificate nope.pem");
    expect(refusal(said)).toEndWith("Correct proxy.cert and proxy.key, or make a proxy by hand in /p.pem");
    expect(refusal("Generating proxy...\nCan't find user certificate and key\n")).toContain("by hand in /p.pem");
  });

  test("with a wrong password, or none for an encrypted key", () => {
    const said = `Generating proxy...\n\nYour certificate will expire in 9 days. Please renew it!\n\nCan't read certificate ( 1104 : EVPError('Unable to read private key in function pkey_read_pem.') (Probably bad pass phrase?))\nBad passphrase\n`;
    expect(refusal(said, 1, { password: "wrong" })).toBe(
      "The password does not open the key /k.pem on this machine: correct proxy.password",
    );
    const traceback = `Traceback (most recent call last):\n  File "prompt_toolkit/input/vt100.py", line 180, in _attached_input\n    raise EOFError\nEOFError\n`;
    expect(refusal("Generating proxy...\n", 1, {}, traceback)).toContain("is encrypted: set proxy.password");
  });

  test("for a group or a user that DIRAC does not know", () => {
    expect(refusal("Requested group nope is not valid for DN /O=x/CN=me\n")).toBe(
      "DIRAC refuses a proxy: Requested group nope is not valid for DN /O=x/CN=me. Set proxy.group to another one of that user's groups",
    );
    expect(refusal("DN /O=x/CN=me is not registered\n")).toContain("Have the user registered");
  });

  test("while DIRAC does not answer", () => {
    const said = "Can't contact DIRAC CS: Reason(s):\n\tNo CAs found!\n";
    expect(refusal(said)).toBe(
      "No proxy can be made on this machine: Can't contact DIRAC CS: Reason(s): No CAs found!",
    );
  });

  test("for a life time that DIRAC does not understand, which it makes 24 hours of", () => {
    expect(refusal("Can't parse time! Is it a HH:MM? 3\nProxy generated:\n", 0)).toContain("proxy.valid");
    expect(refusal("Generating proxy...\nUploading proxy..\nProxy generated:\n", 0)).toBeUndefined();
  });

  test("for whatever else, in DIRAC's own words", () => {
    expect(refusal("Generating proxy...\nSomething new\n")).toContain("Something new");
  });
});
