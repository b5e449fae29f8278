import { GatewayError } from "./error.ts";
import { fixedHeaders } from "./fixed-headers.ts";
import type { Answer } from "./gateway-response.ts";
import type { IntegrationAnswer } from "./integration.ts";
import type { Declared } from "./resources.ts";
import { compileTemplate } from "./template/template.ts";
import { parseDocument, type TemplateInput } from "./template/variables.ts";

/** Makes the producer's answer from SQS's or a mock's, or undefined where API Gateway would call its own configuration wrong. */
export type IntegrationResponses = (
  answer: IntegrationAnswer,
  request: Pick<TemplateInput, "params" | "context" | "stageVariables">,
) => Answer | undefined;

/**
 * The integration responses of one method: the one whose pattern matches the whole status, else the one without a pattern.
 * A template may override the status; that status needs a method response too.
 *
 * @throws GatewayError naming the address and what API Gateway would refuse
 */
export function integrationResponses(
  declarations: readonly Declared<"aws_api_gateway_integration_response">[],
  methodResponses: readonly Declared<"aws_api_gateway_method_response">[],
): IntegrationResponses {
  const declaredHeaders = new Map(
    methodResponses.map(({ values }) => [values.status_code, headerNames(values.response_parameters)] as const),
  );
  const choices = declarations.map((declaration) => readChoice(declaration, declaredHeaders));
  refuseAmbiguous(choices);
  return (answer, request) => {
    const choice =
      choices.find(({ pattern }) => pattern?.test(String(answer.status))) ??
      choices.find(({ pattern }) => pattern === undefined);
    if (choice === undefined) return undefined;
    if (choice.template === undefined) {
      return { status: choice.status, headers: { ...choice.headers }, body: answer.body };
    }
    const { text, overrides } = choice.template.render({
      ...request,
      body: answer.body,
      document: () => parseDocument(answer.body),
    });
    const status = overrides.status ?? choice.status;
    if (!declaredHeaders.has(String(status))) return undefined;
    return { status, headers: overridden(choice.headers, overrides.headers), body: text };
  };
}

/** Lower-cased: a header's name has no case. */
function headerNames(parameters: Readonly<Record<string, boolean>>): ReadonlySet<string> {
  return new Set(Object.keys(parameters).map((name) => name.slice("method.response.header.".length).toLowerCase()));
}

/** What a template wrote takes the place of a header of the same name, whichever case either has. */
function overridden(headers: Readonly<Record<string, string>>, overrides: ReadonlyMap<string, string>) {
  const written = new Set([...overrides.keys()].map((name) => name.toLowerCase()));
  const kept = Object.entries(headers).filter(([name]) => !written.has(name.toLowerCase()));
  return Object.fromEntries([...kept, ...overrides]);
}

/** API Gateway does not say which of two patterns wins. */
function refuseAmbiguous(choices: readonly { readonly address: string; readonly pattern: RegExp | undefined }[]): void {
  for (const [at, { address, pattern }] of choices.entries()) {
    for (const other of choices.slice(at + 1)) {
      const status = STATUSES.find((candidate) => pattern?.test(candidate) && other.pattern?.test(candidate));
      const both = pattern === undefined && other.pattern === undefined ? "every other status" : status;
      if (both === undefined) continue;
      throw new GatewayError(
        "RESOURCE_INVALID",
        `${address}: selection_pattern: ${both} is taken by another too, ${other.address}`,
      );
    }
  }
}

const STATUSES = Array.from({ length: 500 }, (_, at) => String(100 + at));

function readChoice(
  { address, values }: Declared<"aws_api_gateway_integration_response">,
  declaredHeaders: ReadonlyMap<string, ReadonlySet<string>>,
) {
  const fail = (why: string): never => {
    throw new GatewayError("RESOURCE_INVALID", `${address}: ${why}`);
  };
  const declared = declaredHeaders.get(values.status_code);
  if (declared === undefined) return fail(`status_code: ${values.status_code} has no method response`);
  const other = Object.keys(values.response_templates).find((type) => type !== "application/json");
  if (other !== undefined) fail(`response_templates: ${other}: only application/json runs here`);
  const source = values.response_templates["application/json"];
  const headers = fixedHeaders(`${address}: response_parameters`, "method.response", values.response_parameters);
  const undeclared = Object.keys(headers).find((name) => !declared.has(name.toLowerCase()));
  if (undeclared !== undefined) {
    fail(`response_parameters: the method response of ${values.status_code} does not declare ${undeclared}`);
  }
  return {
    address,
    status: Number(values.status_code),
    pattern: values.selection_pattern === "" ? undefined : statusPattern(values.selection_pattern, fail),
    headers,
    template: source === undefined ? undefined : compileTemplate(`${address}: response_templates`, source),
  };
}

/** Java's and JavaScript's patterns agree in what a pattern for a status needs. */
function statusPattern(pattern: string, fail: (why: string) => never): RegExp {
  if (!/^(?:[\d.|()[\]+*?{},-]|\\d)+$/.test(pattern))
    fail(`selection_pattern: ${pattern}: expected digits, \\d, classes and counts`);
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch {
    return fail(`selection_pattern: ${pattern} is no pattern`);
  }
}
