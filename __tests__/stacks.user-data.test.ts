import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { userData } from "../stacks/delivery/user-data.ts";
import { decodeUserData, unitSettings } from "./helpers/instance.ts";
import { startServerProcess } from "./helpers/response-server-process.ts";

const base64 = userData({ timeZone: "Europe/Berlin", hostName: "responses" });
const { bytes, config, files } = decodeUserData(base64);
const file = (path: string) => files.get(path) ?? assert.fail(`${path} is not written, only ${[...files.keys()]}`);
const unit = unitSettings(file("/etc/systemd/system/response-server.service"));
const setting = (name: string) => unit.filter(([key]) => key === `Service.${name}`).map(([, value]) => value);

const folder = mkdtempSync(join(tmpdir(), "user-data-"));
after(() => rmSync(folder, { recursive: true }));

describe("the user data", () => {
  test("has room in EC2, and is refused at synth when it has not, with its size", () => {
    assert.ok(bytes.length <= 16_384, `${bytes.length} bytes`);
    const hostName = randomBytes(8_192).toString("hex");
    assert.throws(() => userData({ timeZone: "Asia/Seoul", hostName }), /user data has 2\d{4} bytes; EC2 takes 16384/);
  });

  test("has the same bytes every time, with no time and always the same system in its header", () => {
    assert.equal(userData({ timeZone: "Europe/Berlin", hostName: "responses" }), base64);
    // RFC 1952: method 8, no flags, no time, 2 for the highest level, 3 for Unix.
    assert.equal(bytes.subarray(0, 10).toString("hex"), "1f8b0800000000000203");
  });

  test("sets the time zone and the host name", () => {
    assert.equal(config.timezone, "Europe/Berlin");
    assert.deepEqual([config.hostname, config.fqdn], ["responses", "responses"]);
  });

  test("writes files that root alone can change", () => {
    for (const { path, owner, permissions } of config.write_files) {
      assert.equal(owner, "root:root", path);
      assert.match(permissions, /^0(644|755)$/, path);
    }
    const [, ...scripts] = config.write_files.filter(({ path }) => path.startsWith("/usr/local/lib/"));
    for (const { permissions } of scripts) assert.equal(permissions, "0755");
  });

  test("starts what it has written, with what it has installed", () => {
    const [start] = setting("ExecStart");
    const [binary, entry] = start?.split(" ") ?? [];
    assert.equal(binary, "/usr/bin/node-24");
    assert.ok(config.runcmd.some((command) => /\bdnf\b.* install nodejs24\b/.test(command.join(" "))));
    file(entry ?? "");
    const enabled = config.runcmd.find(([, verb]) => verb === "enable")?.slice(3) ?? [];
    assert.deepEqual(enabled, ["response-server.service", "response-server-logs.timer"]);
    for (const name of enabled) file(`/etc/systemd/system/${name}`);
    const installs = config.runcmd.findIndex((command) => command.join(" ").includes("dnf"));
    const enables = config.runcmd.findIndex(([, verb]) => verb === "enable");
    assert.ok(installs < enables);
  });

  test("has the server run as a user of its own, which can log in nowhere", () => {
    assert.deepEqual(config.users, [
      { name: "response-server", system: true, no_create_home: true, shell: "/usr/sbin/nologin" },
    ]);
    assert.deepEqual([setting("User"), setting("Group")], [["response-server"], ["response-server"]]);
  });

  test("has it started again for good, however often it ends", () => {
    assert.deepEqual(setting("Restart"), ["always"]);
    assert.ok(Number(setting("RestartSec")[0]) >= 1);
    assert.deepEqual(
      unit.filter(([key]) => key === "Unit.StartLimitIntervalSec"),
      [["Unit.StartLimitIntervalSec", "0"]],
    );
    assert.ok(Number(setting("TimeoutStopSec")[0]) > 35, "longer than the server takes to answer what has begun");
  });

  test("shuts the server in, and leaves V8 the memory that it writes and runs", () => {
    for (const [name, value] of [
      ["NoNewPrivileges", "yes"],
      ["ProtectSystem", "strict"],
      ["ProtectHome", "yes"],
      ["PrivateTmp", "yes"],
      ["PrivateDevices", "yes"],
      ["CapabilityBoundingSet", ""],
      ["RestrictAddressFamilies", "AF_INET AF_INET6"],
      ["LogsDirectory", "response-server"],
      ["IPAddressDeny", "link-local fd00:ec2::254/128"],
    ] as const)
      assert.deepEqual(setting(name), [value], name);
    assert.equal(setting("SystemCallFilter")[0], "@system-service");
    assert.deepEqual(setting("MemoryDenyWriteExecute"), []);
  });
});

describe("the server in the user data", () => {
  test("answers, with the unit's own settings, and writes where its logs are rotated", async () => {
    const [, entry] = (setting("ExecStart")[0] ?? "").split(" ");
    const bundled = join(folder, "main.mjs");
    writeFileSync(bundled, file(entry ?? ""));
    const environment = Object.fromEntries(setting("Environment").map((pair) => pair.split("=")));
    assert.deepEqual(environment, { HOST: "0.0.0.0", PORT: "8000", LOG_DIR: "/var/log/response-server" });
    const LOG_DIR = join(folder, "logs");
    await using server = await startServerProcess({ ...environment, HOST: "127.0.0.1", PORT: "0", LOG_DIR }, bundled);
    assert.equal(await (await fetch(new URL("health", server.url))).text(), '{"status":"ok"}');
    const answered = await fetch(server.url, { method: "POST", body: '{"data":{"transSeq":"7"}}' });
    assert.equal(await answered.text(), '{"status_code":200,"content":{"data":{"transSeq":"7"}}}');
    assert.equal(await server.kill("SIGTERM"), 0);

    const rotated = (/^(\/.*) \{$/m.exec(file("/etc/response-server/logrotate.conf"))?.[1] ?? "").split(" ");
    assert.deepEqual(rotated, [
      `${environment["LOG_DIR"]}/res_server.txt`,
      `${environment["LOG_DIR"]}/res_server_Seq.txt`,
    ]);
    for (const path of rotated) assert.ok(existsSync(path.replace(String(environment["LOG_DIR"]), LOG_DIR)), path);
    assert.equal(readFileSync(join(LOG_DIR, "res_server_Seq.txt"), "utf8"), "7\n");
  });
});

describe("the rotation of the logs", () => {
  const options = file("/etc/response-server/logrotate.conf")
    .split("\n")
    .map((line) => line.trim());

  test("renames to numbers, and starts the server anew, which then reads the renamed files", () => {
    // Amazon Linux's own defaults are `dateext` and `create`; the server finds neither dates nor compressed files.
    for (const option of ["nocopytruncate", "nocreate", "nocompress", "nodateext", "sharedscripts"]) {
      assert.ok(options.includes(option), option);
    }
    assert.match(options.join("\n"), /postrotate\n\S*systemctl try-restart response-server\.service\nendscript/);
  });

  test("keeps no more than a quarter of the smallest disk, and so does the journal", () => {
    const [, size] = /^size (\d+)M$/m.exec(options.join("\n")) ?? [];
    const [, rotated] = /^rotate (\d+)$/m.exec(options.join("\n")) ?? [];
    // Two logs, each with the file that is written to.
    const mebibytes = 2 * (Number(rotated) + 1) * Number(size);
    const [, journal] = /SystemMaxUse=(\d+)M/.exec(file("/etc/systemd/journald.conf.d/size.conf")) ?? [];
    assert.ok(mebibytes <= 2_048 && Number(journal) <= 256, `${mebibytes} and ${journal} MiB`);
  });

  test("gives up the oldest file when the disk is nearly full", { skip: process.platform !== "linux" }, () => {
    const script = join(folder, "make-room.sh");
    writeFileSync(script, file("/usr/local/lib/response-server/make-room.sh"));
    chmodSync(script, 0o755);
    const commands = join(folder, "commands");
    mkdirSync(commands);
    // Says what it was asked for.
    writeFileSync(join(commands, "systemctl"), `#!/bin/sh\necho "$@" >> "${join(folder, "asked")}"\n`);
    chmodSync(join(commands, "systemctl"), 0o755);
    const logs = join(folder, "full logs");
    mkdirSync(logs);
    for (const [name, seconds] of [
      ["res_server.txt", 4],
      ["res_server.txt.1", 3],
      ["res_server_Seq.txt.1", 2],
      ["res_server.txt.2", 1],
    ] as const) {
      writeFileSync(join(logs, name), name);
      utimesSync(join(logs, name), seconds, seconds);
    }
    const run = (limit: string) => {
      const { status, stderr } = spawnSync(script, [logs, limit], {
        encoding: "utf8",
        env: { ...process.env, PATH: `${commands}:${process.env["PATH"]}` },
      });
      assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    };
    const left = () =>
      ["res_server.txt", "res_server.txt.1", "res_server_Seq.txt.1", "res_server.txt.2"].filter((name) =>
        existsSync(join(logs, name)),
      );
    run("100");
    assert.equal(left().length, 4);
    assert.ok(!existsSync(join(folder, "asked")));
    run("-1");
    assert.deepEqual(left(), ["res_server.txt", "res_server.txt.1", "res_server_Seq.txt.1"]);
    run("-1");
    run("-1");
    run("-1");
    assert.deepEqual(left(), ["res_server.txt"], "never the file that is written to");
    assert.equal(readFileSync(join(folder, "asked"), "utf8"), "try-restart response-server.service\n".repeat(3));
  });
});
