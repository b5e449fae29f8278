import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "fflate";
import { bundleModule } from "../bundle.ts";
import { USER_DATA_BYTES } from "../limits.ts";

/** What an instance is told at its first start. */
export interface UserDataProps {
  /** A name of the IANA database, e.g. `Asia/Seoul`. */
  readonly timeZone: string;
  readonly hostName: string;
}

/** The instance's own user for the server, which can log in nowhere. */
const USER = "response-server";

/**
 * Fixed, whatever the platform: any other byte of user data makes a new instance. `fflate` is JavaScript, so it compresses the
 * same everywhere; `mtime` 0 leaves the time out of the header, and the operating system that it writes there is always Unix.
 */
const GZIP = { level: 9, mtime: 0 } as const;

/**
 * The user data of a response server: a cloud-config, compressed, with the bundled server in it. It installs Node 24 from Amazon
 * Linux 2023's own packages (AL2023, "Node.js in AL2023": package `nodejs24`, binary `node-24`).
 *
 * @returns base64, as `user_data_base64` takes it
 * @throws Error when it is larger than EC2 takes; it names the size
 * @example new Instance(this, "instance", { userDataBase64: userData({ timeZone: "Asia/Seoul", hostName: "prod" }) })
 */
export function userData(props: UserDataProps): string {
  const bytes = gzip(Buffer.from(cloudConfig(props)));
  if (bytes.length > USER_DATA_BYTES) {
    throw new Error(
      `the response server's user data has ${bytes.length} bytes; EC2 takes ${USER_DATA_BYTES}: make the bundle of runtime/response-server smaller`,
    );
  }
  return bytes.toString("base64");
}

/** JSON, which is YAML as well: nothing has to be quoted by hand. */
function cloudConfig({ timeZone, hostName }: UserDataProps): string {
  return `#cloud-config\n${JSON.stringify({
    hostname: hostName,
    // cloud-init takes this one on Amazon Linux unless it is told not to; so both are the same.
    fqdn: hostName,
    prefer_fqdn_over_hostname: false,
    timezone: timeZone,
    // Without "default" in the list there is no ec2-user: who logs in does it by Session Manager, which brings its own.
    users: [{ name: USER, system: true, no_create_home: true, shell: "/usr/sbin/nologin" }],
    write_files: [
      {
        path: "/usr/local/lib/response-server/main.mjs",
        encoding: "gzip+base64",
        content: gzip(bundleModule("runtime/response-server/main.ts")).toString("base64"),
        ...READABLE,
      },
      { path: "/usr/local/lib/response-server/make-room.sh", content: file("make-room.sh"), ...READABLE, ...RUNNABLE },
      ...["response-server.service", "response-server-logs.service", "response-server-logs.timer"].map((name) => ({
        path: `/etc/systemd/system/${name}`,
        content: file(name),
        ...READABLE,
      })),
      { path: "/etc/response-server/logrotate.conf", content: file("logrotate.conf"), ...READABLE },
      { path: "/etc/systemd/journald.conf.d/size.conf", content: file("journald.conf"), ...READABLE },
    ],
    runcmd: [
      ["systemctl", "daemon-reload"],
      ["systemctl", "restart", "systemd-journald.service"],
      // Until it is done: an instance that could not reach the packages once would never be a server.
      ["sh", "-c", "until dnf --assumeyes install nodejs24 logrotate; do sleep 15; done"],
      ["systemctl", "enable", "--now", "response-server.service", "response-server-logs.timer"],
    ],
  })}\n`;
}

/** Owned by root, so that the server can read but not change it. */
const READABLE = { owner: "root:root", permissions: "0644" } as const;
const RUNNABLE = { permissions: "0755" } as const;

/** A file of the folder beside this one, with the same line ends wherever it was checked out. */
function file(name: string): string {
  return readFileSync(join(import.meta.dirname, "response-server", name), "utf8").replaceAll("\r\n", "\n");
}

function gzip(bytes: Uint8Array): Buffer {
  return Buffer.from(gzipSync(bytes, GZIP));
}
