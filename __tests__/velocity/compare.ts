/**
 * Renders every mapping template over the hostile corpus, and what the engine promises over small templates, both with the
 * local gateway's engine and with Apache Velocity 1.7, which API Gateway runs. Prints each difference.
 *
 * Exit 0: none. 1: some. 3: skipped, since Java or Maven is not there.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { z } from "zod";
import { compileTemplate } from "../../runtime/local/gateway/template/template.ts";
import { parseDocument } from "../../runtime/local/gateway/template/variables.ts";
import { MAX_BODY_BYTES } from "../../sdk/client/src/contract.ts";
import { corsFor } from "../../stacks/gateway/cors.ts";
import {
  bodyOfSize,
  brokenAnswers,
  refusedKeys,
  soundAnswers,
  takenBodies,
  takenKeys,
} from "../helpers/hostile-corpus.ts";
import { engineTemplates } from "./engine-templates.ts";

interface Case {
  readonly name: string;
  readonly template: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

const here = import.meta.dirname;
const context = { requestId: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef", stage: "kimalarm" };

function requestCases(): Case[] {
  const template = source("send-message.request.vtl");
  const largest = { name: "the largest body", body: bodyOfSize(MAX_BODY_BYTES, "한") };
  const headers = [...takenKeys, ...refusedKeys].flatMap((key) =>
    ["idempotency-key", "Idempotency-Key", "IDEMPOTENCY-KEY"].map((name) => ({
      Host: "x",
      [name]: key,
      Accept: "*/*",
    })),
  );
  const body = '{"MessageGroupID":"10"}';
  return [
    ...[...takenBodies, largest].map((taken) => ({ ...taken, template, headers: {} })),
    ...headers.map((sent) => ({ name: JSON.stringify(sent), template, body, headers: sent })),
    { name: "a key sent twice", template, body, headers: { "Idempotency-Key": "a", "idempotency-key": "b" } },
    { name: "a header that only begins like it", template, body, headers: { "idempotency-key-2": "a" } },
  ].map((found) => ({ ...found, name: `send-message.request.vtl, ${found.name}` }));
}

function entry(taken: { readonly groupId: string; readonly body: string }, at: number) {
  const idempotencyKey = takenKeys[at % takenKeys.length];
  return { id: `entry-${at}`, groupId: taken.groupId, ...(at % 2 === 0 && { idempotencyKey }), body: taken.body };
}

function batchCases(): Case[] {
  const template = source("send-batch.request.vtl");
  const bodies = [
    ...takenBodies.map((taken, at) => ({ name: taken.name, entries: [entry(taken, at)] })),
    { name: "ten entries", entries: takenBodies.slice(0, 10).map(entry) },
    { name: "large entries", entries: [0, 1].map((at) => entry({ groupId: "g", body: bodyOfSize(300_000, "'") }, at)) },
    { name: "no entries", entries: [] },
  ];
  return bodies.map(({ name, entries }) => ({
    name: `send-batch.request.vtl, ${name}`,
    template,
    body: JSON.stringify({ entries }),
    headers: {},
  }));
}

function answerCases(): Case[] {
  const bodies = [...new Map([...brokenAnswers, ...soundAnswers].map(({ name, body }) => [body, name]))];
  return readdirSync(join(here, "../../stacks/gateway"))
    .filter((file) => /\.(?:response|error)\.vtl$/.test(file))
    .flatMap((file) =>
      bodies.map(([body, name]) => ({ name: `${file}, ${name}`, template: source(file), body, headers: {} })),
    );
}

/** What names the origin that asked, alone as before a preflight, and before each template of an answer. */
function originCases(): Case[] {
  const before = corsFor(["https://app.example", "https://b.app.example:8443"])?.allowOrigin ?? "";
  const sent = [
    {},
    ...[
      "https://app.example",
      "https://b.app.example:8443",
      "https://APP.example",
      "https://other.example",
      "null",
      "",
    ].flatMap((origin) => ["Origin", "origin", "ORIGIN"].map((name) => ({ Host: "x", [name]: origin }))),
    { "x-origin": "https://app.example" },
  ];
  const templates = readdirSync(join(here, "../../stacks/gateway")).filter((file) =>
    /\.(?:response|error)\.vtl$/.test(file),
  );
  return [{ file: "", text: "" }, ...templates.map((file) => ({ file, text: source(file) }))].flatMap(
    ({ file, text }) =>
      sent.map((headers) => ({
        name: `allow-origin.vtl ${file}, ${JSON.stringify(headers)}`,
        template: before + text,
        body: soundAnswers[0]?.body ?? "",
        headers,
      })),
  );
}

function engineCases(): Case[] {
  return engineTemplates.map((template) => ({
    name: `engine, ${JSON.stringify(template)}`,
    template,
    body: '{"a":"x","n":7,"l":[1,2],"o":{"k":"v"},"nul":null,"t":"it\'s \\"q\\" \\u00e9/\\ud83d\\ude00"}',
    headers: { H: "v" },
  }));
}

function source(file: string): string {
  return readFileSync(join(here, "../../stacks/gateway", file), "utf8");
}

function renderHere({ name, template, body, headers }: Case): string {
  const { text, overrides } = compileTemplate(name, template).render({
    body,
    document: () => parseDocument(body),
    params: { header: new Map(Object.entries(headers)), path: new Map(), querystring: new Map() },
    context,
    stageVariables: {},
  });
  const written = Object.fromEntries([...overrides.headers].toSorted());
  return JSON.stringify([text, overrides.status ?? null, written]);
}

const answerSchema = z.union([
  z.strictObject({ output: z.string(), status: z.number().nullable(), headers: z.record(z.string(), z.string()) }),
  z.strictObject({ error: z.string() }),
]);

function renderWithVelocity(cases: readonly Case[]): string[] {
  const built = spawnSync("mvn", ["-q", "-B", "compile"], { cwd: here, encoding: "utf8" });
  if (built.error !== undefined) skip("mvn is not there");
  if (built.status !== 0) throw new Error(`mvn compile failed:\n${built.stdout}${built.stderr}`);
  const target = join(here, "target");
  const classpath = [join(target, "classes"), readFileSync(join(target, "classpath"), "utf8")].join(delimiter);
  const java = spawnSync("java", ["-cp", classpath, "Render"], {
    input: cases
      .map(({ template, body, headers }) => `${JSON.stringify({ template, body, headers, context })}\n`)
      .join(""),
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (java.error !== undefined && "code" in java.error && java.error.code === "ENOENT") skip("java is not there");
  if (java.status !== 0) throw new Error(`java failed:\n${java.stderr}`);
  return java.stdout
    .trim()
    .split("\n")
    .map((line) => {
      const answer = answerSchema.parse(JSON.parse(line));
      return "error" in answer
        ? `error: ${answer.error}`
        : JSON.stringify([answer.output, answer.status, answer.headers]);
    });
}

function skip(why: string): never {
  console.log(`SKIPPED: no template was compared with Apache Velocity: ${why}`);
  process.exit(3);
}

const cases = [...requestCases(), ...batchCases(), ...answerCases(), ...originCases(), ...engineCases()];
const velocity = renderWithVelocity(cases);
let failed = 0;
for (const [at, found] of cases.entries()) {
  const ours = renderHere(found);
  if (ours === velocity[at]) continue;
  failed += 1;
  console.log(`DIFFERS: ${found.name}\n  here:     ${ours.slice(0, 400)}\n  velocity: ${velocity[at]?.slice(0, 400)}`);
}
console.log(`${cases.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
