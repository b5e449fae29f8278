/** What a synth emits, by file name relative to the output folder. */
export type Files = ReadonlyMap<string, Buffer>;

/** A place at which two synths part. */
export interface Difference {
  /** E.g. `stacks/dev-gateway/cdk.tf.json`. */
  readonly file: string;
  /** As jq writes it, e.g. `.resource.aws_sqs_queue["queue-1_queue"].name`; empty when it is the file as a whole. */
  readonly path: string;
  /** The project's value; undefined where it has none. */
  readonly ours: unknown;
  /** The fork's. */
  readonly theirs: unknown;
}

interface Allowed {
  readonly file: RegExp;
  readonly path: string;
  readonly when: (ours: string, theirs: string) => boolean;
  readonly why: string;
}

const STACK = /^stacks\/[^/]+\/cdk\.tf\.json$/;
const RELEASE = /^\d+\.\d+\.\d+$/;
const PROVIDER = ".terraform.required_providers.aws";

/**
 * The only differences there may be. That white space and the order of an object's keys do not count (the fork writes an empty
 * list in one line) is no row: JSON is compared by its values, and everything else byte by byte.
 */
export const ALLOWED: readonly Allowed[] = [
  {
    file: /^manifest\.json$/,
    path: ".version",
    when: areReleases,
    why: "the version of cdktf that wrote it, metadata that Terraform does not read",
  },
  {
    file: STACK,
    path: '["//"].metadata.version',
    when: areReleases,
    why: 'the same in each stack: "//" is a comment to Terraform',
  },
  {
    file: STACK,
    path: `${PROVIDER}.source`,
    when: (ours, theirs) => ours === "aws" && theirs === "hashicorp/aws",
    why: "short and long for the same provider, registry.terraform.io/hashicorp/aws: a state fits both",
  },
  {
    file: STACK,
    path: `${PROVIDER}.version`,
    // Another major version could read the same arguments as something else.
    when: (ours, theirs) => areReleases(ours, theirs) && ours.split(".")[0] === theirs.split(".")[0],
    why: "the provider that the package was made from: a later release of the same major version",
  },
];

function areReleases(ours: string, theirs: string): boolean {
  return RELEASE.test(ours) && RELEASE.test(theirs);
}

/**
 * Holds two synths against each other, all files and all values in them.
 *
 * @returns `refused`, the differences that no row allows; `rows`, each row with how many differences it allowed. A row that
 * allowed none is wrong as well: either the row is out of date, or it is not the fork that was run.
 * @example compareFiles(emitted, emittedByFork).refused.map(describe)
 */
export function compareFiles(ours: Files, theirs: Files) {
  const found = differences(ours, theirs);
  const rows = ALLOWED.map((row) => ({
    row,
    differences: found.filter(({ file, path, ours: mine, theirs: other }) => {
      if (typeof mine !== "string" || typeof other !== "string") return false;
      return row.file.test(file) && row.path === path && row.when(mine, other);
    }),
  }));
  const allowed = new Set(rows.flatMap((row) => row.differences));
  return {
    refused: found.filter((difference) => !allowed.has(difference)),
    rows: rows.map(({ row, differences: { length } }) => ({ row, count: length })),
  };
}

function differences(ours: Files, theirs: Files): Difference[] {
  return [...new Set([...ours.keys(), ...theirs.keys()])].toSorted().flatMap((file) => {
    const [mine, other] = [ours.get(file), theirs.get(file)];
    if (mine === undefined || other === undefined) return [{ file, path: "", ours: whole(mine), theirs: whole(other) }];
    if (file.endsWith(".json")) {
      return parted(JSON.parse(mine.toString("utf8")), JSON.parse(other.toString("utf8"))).map((at) => ({
        file,
        ...at,
      }));
    }
    return mine.equals(other) ? [] : [{ file, path: "", ours: whole(mine), theirs: whole(other) }];
  });
}

function whole(file: Buffer | undefined): string | undefined {
  return file === undefined ? undefined : `a file of ${file.length} bytes`;
}

function parted(ours: unknown, theirs: unknown, path = ""): Omit<Difference, "file">[] {
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    return Array.from({ length: Math.max(ours.length, theirs.length) }, (_, index) =>
      parted(ours[index], theirs[index], `${path}[${index}]`),
    ).flat();
  }
  if (isObject(ours) && isObject(theirs)) {
    return [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].flatMap((key) =>
      parted(ours[key], theirs[key], path + member(key)),
    );
  }
  // JSON has no undefined: here it says that one side has no such value.
  return Object.is(ours, theirs) ? [] : [{ path, ours, theirs }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function member(key: string): string {
  return /^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** So much of a long value is shown on either side of the place where it parts, in characters. */
const SHOWN = 60;

/** A difference in three lines: where it is, and both values, long ones from just before they part. */
export function describe({ file, path, ours, theirs }: Difference): string {
  const [mine, other] = [shown(ours), shown(theirs)];
  let from = 0;
  while (from < mine.length && mine[from] === other[from]) from += 1;
  const cut = (text: string) => {
    const [first, last] = [Math.max(0, from - SHOWN), from + SHOWN];
    if (text.length <= 2 * SHOWN) return text;
    return `${first > 0 ? "..." : ""}${text.slice(first, last)}${last < text.length ? "..." : ""}`;
  };
  return `${file} ${path}\n  cdktf  ${cut(mine)}\n  cdktn  ${cut(other)}`;
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
