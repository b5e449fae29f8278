import { gunzipSync } from "node:zlib";
import { z } from "zod";

const cloudConfigSchema = z.strictObject({
  hostname: z.string(),
  fqdn: z.string(),
  prefer_fqdn_over_hostname: z.boolean(),
  timezone: z.string(),
  users: z.array(z.record(z.string(), z.unknown())),
  write_files: z.array(
    z.strictObject({
      path: z.string(),
      owner: z.string(),
      permissions: z.string(),
      encoding: z.literal("gzip+base64").optional(),
      content: z.string(),
    }),
  ),
  runcmd: z.array(z.array(z.string())),
});

/** What an instance does with its user data. */
export interface DecodedUserData {
  /** As it is sent to EC2, before base64. */
  readonly bytes: Buffer;
  readonly config: z.output<typeof cloudConfigSchema>;
  /** Each written file's text, by path. */
  readonly files: ReadonlyMap<string, string>;
}

/** Reads user data as cloud-init does: base64, gzip, `#cloud-config`, YAML (which is JSON here), and each file's encoding. */
export function decodeUserData(base64: unknown): DecodedUserData {
  const bytes = Buffer.from(z.base64().parse(base64), "base64");
  const [first, ...rest] = gunzipSync(bytes).toString("utf8").split("\n");
  if (first !== "#cloud-config") throw new Error(`the user data begins with ${first}`);
  const config = cloudConfigSchema.parse(JSON.parse(rest.join("\n")));
  const files = config.write_files.map(({ path, encoding, content }) => {
    const text = encoding === undefined ? content : gunzipSync(Buffer.from(content, "base64")).toString("utf8");
    return [path, text] as const;
  });
  return { bytes, config, files: new Map(files) };
}

/**
 * Reads a systemd unit's settings, in their order.
 *
 * @returns pairs such as `["Service.User", "response-server"]`
 */
export function unitSettings(unit: string): [setting: string, value: string][] {
  let section = "";
  return unit.split("\n").flatMap((line): [string, string][] => {
    if (line === "" || line.startsWith("#")) return [];
    const header = /^\[(\w+)\]$/.exec(line)?.[1];
    if (header !== undefined) {
      section = header;
      return [];
    }
    const at = line.indexOf("=");
    return [[`${section}.${line.slice(0, at)}`, line.slice(at + 1)]];
  });
}
