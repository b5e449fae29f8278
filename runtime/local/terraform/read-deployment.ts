import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DATA_SOURCES } from "./data-sources.ts";
import { findDeployment } from "./deployments.ts";
import { type Document, documentSchema } from "./document.ts";
import { TerraformError } from "./error.ts";
import { evaluate, type Resolution } from "./evaluate.ts";
import type { EmittedResource } from "./model.ts";
import type { Place, Subject } from "./resource-type.ts";
import { RESOURCE_TYPES } from "./resource-types.ts";
import { stateKept, stateRead } from "./state.ts";
import { parseTemplate } from "./syntax.ts";

/** Arguments that speak to Terraform itself and not to the provider; a resource with `count` or `for_each` is refused. */
const META_ARGUMENTS: ReadonlySet<string> = new Set(["//", "depends_on", "lifecycle", "provider"]);
const REFUSED_ARGUMENTS = ["count", "for_each", "provisioner", "dynamic"] as const;

/** What is read besides the files. */
export interface ReadOptions {
  /** The synthesised folder, e.g. `cdktf.out`. */
  readonly folder: string;
  /** The deployment's name. @default `dev` when there is one, else the only one */
  readonly deployment?: string | undefined;
  /** Values of Terraform variables in place of their defaults, by name; each has to exist in some stack. */
  readonly variables: Readonly<Record<string, string>>;
  /** The account id in ARNs. */
  readonly accountId: string;
  readonly endpoints: Place["endpoints"];
  readonly apiKeyValue: Place["apiKeyValue"];
}

/** What was read and what local mode does nothing with. */
export interface Ignored {
  /** Why, in one line. */
  readonly reason: string;
  /** The resource types that it holds for, in the order of the stacks. */
  readonly types: readonly string[];
}

/** A deployment's emitted stacks with everything in them resolved. */
export interface EmittedDeployment {
  readonly name: string;
  /** Names of its stacks, sorted. */
  readonly stacks: readonly string[];
  /** The region of the stacks' provider. */
  readonly region: string;
  readonly resources: readonly EmittedResource[];
  /** One for each reason. */
  readonly ignored: readonly Ignored[];
}

/**
 * Reads what `cdktf` emitted and resolves every expression, across stacks too.
 *
 * @throws TerraformError with a `code`, the address and the argument, for anything that local mode does not know
 * @example
 * const { resources } = await readDeployment({ folder: "cdktf.out", deployment: "dev", variables: {}, accountId: "000000000000",
 *   endpoints: { sqs: "http://127.0.0.1:9324", gateway: "http://127.0.0.1:8080" }, apiKeyValue: () => "key" });
 */
export async function readDeployment(options: ReadOptions): Promise<EmittedDeployment> {
  const found = await findDeployment(options.folder, options.deployment);
  const stacks = new Map<string, Document>();
  for (const name of found.stacks) {
    stacks.set(name, await readDocument(join(stackFolder(options.folder, name), "cdk.tf.json")));
  }
  const region = providerRegion(stacks);
  for (const name of Object.keys(options.variables)) {
    if ([...stacks.values()].every((stack) => stack.variable?.[name] === undefined)) {
      throw new TerraformError("unknown-reference", `no stack of ${found.name} has a variable ${name}`);
    }
  }
  const place: Place = {
    region,
    accountId: options.accountId,
    partition: "aws",
    endpoints: options.endpoints,
    apiKeyValue: options.apiKeyValue,
  };
  const resolver = new Resolver(stacks, place, options.variables);
  const resources = resolver.resources();
  return {
    ...found,
    region,
    resources,
    ignored: ignoredOf(resources),
  };
}

function ignoredOf(resources: readonly EmittedResource[]): Ignored[] {
  const types = [...new Set(resources.map(({ type }) => type))];
  const byReason = Map.groupBy(types, (type) => RESOURCE_TYPES[type]?.ignoredBecause);
  return [...byReason].flatMap(([reason, held]) => (reason === undefined ? [] : [{ reason, types: held }]));
}

/** A stack's folder: a function's `filename` is relative to its stack's. @param folder the synthesised one */
export const stackFolder = (folder: string, stack: string): string => join(folder, "stacks", stack);

async function readDocument(file: string): Promise<Document> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new TerraformError("unreadable-file", `cannot read ${file}: run npm run synth`, { cause });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new TerraformError("invalid-file", `${file} is not JSON: run npm run synth`, { cause });
  }
  const document = documentSchema.safeParse(json);
  if (!document.success) {
    throw new TerraformError("invalid-file", `${file}: ${z.prettifyError(document.error)}`);
  }
  return document.data;
}

function providerRegion(stacks: ReadonlyMap<string, Document>): string {
  const regions = new Set<unknown>();
  for (const [name, stack] of stacks) {
    const region = stack.provider?.["aws"]?.[0]?.["region"];
    if (typeof region !== "string" || region.includes("${")) {
      throw new TerraformError("invalid-file", `${name}: provider.aws.region has to be a region by name`);
    }
    regions.add(region);
  }
  const [region, another] = [...regions];
  if (typeof region !== "string" || another !== undefined) {
    throw new TerraformError("invalid-file", `the stacks are in several regions: ${[...regions].join(", ")}`);
  }
  return region;
}

/** A resource or a data source of a stack. */
interface Block {
  readonly stack: string;
  readonly kind: "resource" | "data";
  readonly type: string;
  readonly name: string;
}

const addressOf = ({ stack, kind, type, name }: Block): string =>
  `${stack}/${kind === "data" ? "data." : ""}${type}.${name}`;

/** Resolves on demand, argument by argument, so that the order of resources in the files does not matter. */
class Resolver {
  readonly #stacks: ReadonlyMap<string, Document>;
  readonly #place: Place;
  readonly #variables: Readonly<Record<string, string>>;
  readonly #known = new Map<string, unknown>();
  /** What is being resolved right now, outermost first. */
  readonly #path: string[] = [];

  constructor(stacks: ReadonlyMap<string, Document>, place: Place, variables: Readonly<Record<string, string>>) {
    this.#stacks = stacks;
    this.#place = place;
    this.#variables = variables;
  }

  resources(): EmittedResource[] {
    return this.#blocks().map((block) => this.#resource(block));
  }

  /** The resources of a type, or of all. */
  #blocks(wanted?: string): Block[] {
    return [...this.#stacks].flatMap(([stack, document]) =>
      Object.entries(document.resource ?? {})
        .filter(([type]) => wanted === undefined || type === wanted)
        .flatMap(([type, named]) =>
          Object.keys(named).map((name) => ({ stack, kind: "resource" as const, type, name })),
        ),
    );
  }

  #document(stack: string): Document {
    const document = this.#stacks.get(stack);
    if (document === undefined) throw new TerraformError("unknown-reference", `there is no stack ${stack}`);
    return document;
  }

  #resource(block: Block): EmittedResource {
    const { stack, type, name } = block;
    const address = addressOf(block);
    const body = this.#body(block);
    const known = RESOURCE_TYPES[type];
    if (known === undefined) {
      throw new TerraformError("unknown-type", `${address}: local mode does not know the resource type ${type}`);
    }
    for (const refused of REFUSED_ARGUMENTS) {
      if (Object.hasOwn(body, refused)) {
        throw new TerraformError("unknown-argument", `${address}: local mode does not run ${refused}`);
      }
    }
    const names = new Set([
      ...Object.keys(body).filter((key) => !META_ARGUMENTS.has(key)),
      ...Object.keys(known.computed),
    ]);
    const values = Object.fromEntries([...names].map((key) => [key, this.#attribute(block, key)]));
    return { stack, type, name, address, values };
  }

  #body(block: Block): Readonly<Record<string, unknown>> {
    const body = this.#document(block.stack)[block.kind]?.[block.type]?.[block.name];
    if (body !== undefined) return body;
    const what = block.kind === "data" ? "" : "resource ";
    throw new TerraformError("unknown-reference", `there is no ${what}${addressOf(block)}`);
  }

  /** An argument as emitted, or else what AWS would compute. */
  #attribute(block: Block, attribute: string): unknown {
    const address = addressOf(block);
    return this.#once(`${address}.${attribute}`, () => {
      const body = this.#body(block);
      if (Object.hasOwn(body, attribute) && !META_ARGUMENTS.has(attribute)) {
        return this.#value(block.stack, body[attribute]);
      }
      const { kind, type } = block;
      const computed = (kind === "data" ? DATA_SOURCES[type] : RESOURCE_TYPES[type]?.computed)?.[attribute];
      if (computed === undefined) {
        throw new TerraformError(
          "unknown-reference",
          `local mode does not know the attribute ${attribute} of ${address}`,
        );
      }
      return computed(this.#subject(block));
    });
  }

  #subject(block: Block): Subject {
    const digest = createHash("sha256").update(addressOf(block)).digest();
    return {
      place: this.#place,
      identity: digest.readBigUInt64BE().toString(36).padStart(10, "0").slice(-10),
      digest: digest.toString("hex"),
      text: (attribute) => this.#text(block, attribute),
      given: (argument) => this.#value(block.stack, this.#body(block)[argument]),
      other: (type, id, attribute) => {
        const found = this.#blocks(type).find((other) => this.#attribute(other, "id") === id);
        if (found !== undefined) return this.#text(found, attribute);
        throw new TerraformError("unknown-reference", `there is no ${type} with the id ${id}`);
      },
    };
  }

  #text(block: Block, attribute: string): string {
    const value = this.#attribute(block, attribute);
    if (typeof value === "string") return value;
    throw new TerraformError("invalid-file", `${addressOf(block)}.${attribute} has to be a string`);
  }

  /** Resolves the expressions inside an emitted value, however deep they are. */
  #value(stack: string, value: unknown): unknown {
    if (typeof value === "string") {
      return evaluate(parseTemplate(value), (names) => this.#lookup(stack, names));
    }
    if (Array.isArray(value)) return value.map((item) => this.#value(stack, item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [String(this.#value(stack, key)), this.#value(stack, item)]),
    );
  }

  #lookup(stack: string, names: readonly string[]): Resolution {
    const [root, second, third, fourth, fifth] = names;
    if (root === "var" && second !== undefined) return { value: this.#variable(stack, second), used: 2 };
    if (root === "local" && second !== undefined) return { value: this.#local(stack, second), used: 2 };
    if (root === "data" && second !== undefined && third !== undefined && fourth !== undefined) {
      return this.#data({ stack, kind: "data", type: second, name: third }, fourth, fifth);
    }
    if (
      root !== undefined &&
      second !== undefined &&
      third !== undefined &&
      root in (this.#document(stack).resource ?? {})
    ) {
      return { value: this.#attribute({ stack, kind: "resource", type: root, name: second }, third), used: 3 };
    }
    throw new TerraformError("unknown-reference", `there is no ${names.join(".")} in ${stack}`);
  }

  #variable(stack: string, name: string): unknown {
    const variable = this.#document(stack).variable?.[name];
    if (variable === undefined)
      throw new TerraformError("unknown-reference", `there is no variable ${name} in ${stack}`);
    const given = this.#variables[name];
    if (given !== undefined) return given;
    if (Object.hasOwn(variable, "default")) return variable["default"];
    throw new TerraformError(
      "unknown-reference",
      `the variable ${name} of ${stack} has no default, and none was given`,
    );
  }

  #local(stack: string, name: string): unknown {
    return this.#once(`${stack}/local.${name}`, () => {
      const locals = this.#document(stack).locals ?? {};
      if (!Object.hasOwn(locals, name))
        throw new TerraformError("unknown-reference", `there is no local ${name} in ${stack}`);
      return this.#value(stack, locals[name]);
    });
  }

  #output(stack: string, name: string): unknown {
    return this.#once(`${stack}/output.${name}`, () => {
      const output = this.#document(stack).output?.[name];
      if (output === undefined) throw new TerraformError("unknown-reference", `there is no output ${name} in ${stack}`);
      return this.#value(stack, output["value"]);
    });
  }

  #data(block: Block, attribute: string, output: string | undefined): Resolution {
    if (block.type === "terraform_remote_state" && attribute === "outputs" && output !== undefined) {
      return { value: this.#output(this.#remoteStack(block), output), used: 5 };
    }
    if (block.type !== "terraform_remote_state" && DATA_SOURCES[block.type] === undefined) {
      throw new TerraformError(
        "unknown-type",
        `${addressOf(block)}: local mode does not know the data source ${block.type}`,
      );
    }
    return { value: this.#attribute(block, attribute), used: 4 };
  }

  /** The stack that writes the state which a `terraform_remote_state` reads. */
  #remoteStack(block: Block): string {
    const address = addressOf(block);
    const state = stateRead(address, this.#body(block));
    for (const [stack, document] of this.#stacks) if (stateKept(document) === state) return stack;
    throw new TerraformError("unknown-reference", `${address}: no stack keeps its state in ${state}`);
  }

  /** Resolves something once, names it in errors, and notices when it needs itself. */
  #once(what: string, resolve: () => unknown): unknown {
    if (this.#known.has(what)) return this.#known.get(what);
    if (this.#path.includes(what)) {
      throw new TerraformError(
        "cycle",
        `${[...this.#path.slice(this.#path.indexOf(what)), what].join(" -> ")}: a cycle`,
      );
    }
    this.#path.push(what);
    try {
      const value = resolve();
      this.#known.set(what, value);
      return value;
    } catch (error) {
      if (!(error instanceof TerraformError) || error.where !== undefined) throw error;
      throw new TerraformError(error.code, error.message, { cause: error, where: what });
    } finally {
      this.#path.pop();
    }
  }
}
