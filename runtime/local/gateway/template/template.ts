import { checkTemplate } from "./check.ts";
import { parseTemplate } from "./parse.ts";
import { type Overrides, renderTemplate } from "./render.ts";
import { type TemplateInput, templateVariables } from "./variables.ts";

/** A mapping template, read and checked once. */
export interface Template {
  readonly name: string;
  /** @throws TemplateError TEMPLATE_FAILED */
  render(input: TemplateInput): { readonly text: string; readonly overrides: Overrides };
}

/**
 * Reads a mapping template as API Gateway does: Velocity 1.7 with `$input`, `$util`, `$context` and `$stageVariables`.
 *
 * @param name how errors name the template, e.g. the Terraform address
 * @throws TemplateError TEMPLATE_INVALID, naming template, line and construct
 */
export function compileTemplate(name: string, source: string): Template {
  const nodes = parseTemplate(name, source);
  checkTemplate(name, nodes);
  return { name, render: (input) => renderTemplate(name, nodes, templateVariables(input)) };
}
