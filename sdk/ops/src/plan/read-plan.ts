import { z } from "zod";
import { OpsError } from "../errors.ts";
import type { Action, Change } from "./change.ts";
import type { Plan } from "./plan.ts";
import { stackNames } from "./stack-name.ts";

/** The major version of Terraform's JSON plans that is understood (Terraform, "JSON Output Format"; 1.0 came with Terraform 1.1). */
const FORMAT_MAJOR = "1";

const HOW = "terraform plan -out=FILE && terraform show -json FILE";

const attributesSchema = z.record(z.string(), z.unknown()).nullish();

const changeSchema = z.object({
  address: z.string(),
  previous_address: z.string().optional(),
  mode: z.enum(["managed", "data"]).optional(),
  type: z.string(),
  name: z.string(),
  deposed: z.string().optional(),
  action_reason: z.string().optional(),
  change: z.object({
    // An action that is not known here cannot be taken for none.
    actions: z.array(z.enum(["no-op", "create", "read", "update", "delete", "forget"])).min(1),
    before: attributesSchema,
    after: attributesSchema,
    after_unknown: z.unknown().optional(),
    before_sensitive: z.unknown().optional(),
    after_sensitive: z.unknown().optional(),
    replace_paths: z.array(z.array(z.union([z.string(), z.number()]))).optional(),
    importing: z.unknown().optional(),
  }),
});
type ChangeDocument = z.output<typeof changeSchema>;

interface ModuleDocument {
  readonly resources?: readonly { address: string; expressions?: Record<string, unknown> | undefined }[] | undefined;
  readonly module_calls?: Readonly<Record<string, { readonly module?: ModuleDocument | undefined }>> | undefined;
}
const moduleSchema: z.ZodType<ModuleDocument> = z.object({
  resources: z
    .array(z.object({ address: z.string(), expressions: z.record(z.string(), z.unknown()).optional() }))
    .optional(),
  module_calls: z
    .record(
      z.string(),
      z.object({
        get module() {
          return moduleSchema.optional();
        },
      }),
    )
    .optional(),
});

const planSchema = z.object({
  terraform_version: z.string().default("unknown"),
  errored: z.boolean().default(false),
  complete: z.boolean().default(true),
  // Terraform leaves both out where there is nothing.
  resource_changes: z.array(changeSchema).default([]),
  resource_drift: z.array(changeSchema).default([]),
  configuration: z.object({ root_module: moduleSchema.optional() }).optional(),
});

/** Text that holds plans, and where it came from: a path, or `stdin`. */
export interface PlanText {
  readonly source: string;
  readonly text: string;
}

/**
 * Reads what `terraform show -json` printed. Terraform prints one plan a line, so a text may hold those of several stacks.
 *
 * @throws OpsError `PLAN_UNREADABLE`, with what it is instead and the way out; nothing of the text is in it
 * @example readPlans([{ source: "prod-messaging.json", text: readFileSync("prod-messaging.json", "utf8") }])
 */
export function readPlans(texts: readonly PlanText[]): Plan[] {
  const plans = texts.flatMap(({ source, text }) =>
    documentsOf(source, text).map((document, at, { length }) => {
      const label = length === 1 ? source : `${source} (plan ${at + 1} of ${length})`;
      return readPlan(label, document);
    }),
  );
  const names = stackNames(plans);
  return plans.map((plan, at) => {
    const stack = names[at] ?? plan.stack;
    const named = (changes: readonly Change[]) => changes.map((change) => ({ ...change, stack }));
    return { ...plan, stack, changes: named(plan.changes), outside: named(plan.outside) };
  });
}

function documentsOf(source: string, text: string): unknown[] {
  const content = text.startsWith("\uFEFF") ? text.slice(1) : text;
  if (content.trim() === "") throw unreadable(source, `is empty; expected the output of: ${HOW}`);
  if (content.startsWith("PK"))
    throw unreadable(source, "is Terraform's own plan file; print it as JSON: terraform show -json FILE");
  const whole = parsed(content);
  if (whole !== undefined) return [whole.value];
  const lines = content.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line, at) => {
    const document = parsed(line);
    // JSON.parse would tell what it read, and a plan holds secrets.
    if (document === undefined)
      throw unreadable(source, `is not JSON (line ${at + 1}); expected the output of: ${HOW}`);
    return document.value;
  });
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

const headSchema = z.looseObject({ format_version: z.string() });

function readPlan(source: string, document: unknown): Plan {
  const head = headSchema.safeParse(document);
  if (!head.success) {
    const isLog = z.looseObject({ "@level": z.string() }).safeParse(document).success;
    const what = isLog ? "is the log of terraform plan -json" : "has no format_version, so it is no plan";
    throw unreadable(source, `${what}; expected the output of: ${HOW}`);
  }
  const { format_version: version } = head.data;
  if (version.split(".")[0] !== FORMAT_MAJOR)
    throw unreadable(source, `has format_version ${JSON.stringify(version)}; understood is ${FORMAT_MAJOR}.x`);
  if (!("planned_values" in head.data) && !("resource_changes" in head.data))
    throw unreadable(source, `is a state, no plan; expected the output of: ${HOW}`);
  const plan = planSchema.safeParse(document);
  if (!plan.success) {
    const [issue] = plan.error.issues;
    throw unreadable(source, `is no plan of Terraform's: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const { resource_changes: changes, resource_drift: drift, configuration } = plan.data;
  const configured = configuredAttributes(configuration?.root_module, "");
  const read = (origin: Change["origin"], documents: readonly ChangeDocument[]) =>
    documents.filter(({ mode }) => mode !== "data").map((change) => readChange(change, origin, configured));
  return {
    stack: source,
    source,
    terraformVersion: plan.data.terraform_version,
    isWhole: !plan.data.errored,
    isComplete: plan.data.complete,
    changes: read("plan", changes),
    outside: read("outside", drift),
  };
}

function readChange(
  { address, previous_address, type, name, deposed, action_reason, change }: ChangeDocument,
  origin: Change["origin"],
  configured: ReadonlyMap<string, ReadonlySet<string>>,
): Change {
  return {
    stack: "",
    address,
    movedFrom: previous_address,
    type,
    name,
    ...readActions(change.actions),
    isDeposed: deposed !== undefined,
    isImported: change.importing !== undefined && change.importing !== null,
    origin,
    actionReason: action_reason,
    replacedFor: [...new Set((change.replace_paths ?? []).map(([attribute]) => String(attribute)))],
    before: change.before ?? undefined,
    after: change.after ?? undefined,
    unknown: change.after_unknown,
    secret: [change.before_sensitive, change.after_sensitive],
    // Of a resource with count or for_each, the configuration has one for all.
    configured: configured.get(address.replaceAll(/\[(?:\d+|"(?:[^"\\]|\\.)*")\]/g, "")),
  };
}

function readActions(actions: readonly string[]): Pick<Change, "action" | "createsFirst"> {
  const has = (action: string) => actions.includes(action);
  const createsFirst = actions[0] === "create" && actions.length > 1;
  const action = (): Action => {
    if (has("delete")) return has("create") ? "replace" : "destroy";
    // Terraform 1.7: `removed` blocks; `create` with it is a replacement whose old one is left alone.
    if (has("forget")) return "forget";
    if (has("create")) return "create";
    return has("update") ? "update" : "none";
  };
  return { action: action(), createsFirst };
}

/** Names of the attributes that are set, by address without keys. */
function configuredAttributes(module: ModuleDocument | undefined, path: string): Map<string, ReadonlySet<string>> {
  const found = new Map<string, ReadonlySet<string>>();
  for (const { address, expressions } of module?.resources ?? [])
    found.set(`${path}${address}`, new Set(Object.keys(expressions ?? {})));
  for (const [name, call] of Object.entries(module?.module_calls ?? {}))
    for (const [address, set] of configuredAttributes(call.module, `${path}module.${name}.`)) found.set(address, set);
  return found;
}

function unreadable(source: string, problem: string): OpsError {
  return new OpsError("PLAN_UNREADABLE", `${source} ${problem}`);
}
