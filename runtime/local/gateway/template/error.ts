/**
 * What is wrong with a mapping template.
 *
 * - `TEMPLATE_INVALID`: found when the gateway starts; the text names template, line and construct.
 * - `TEMPLATE_FAILED`: found while rendering; API Gateway would answer 500.
 */
export type TemplateErrorCode = "TEMPLATE_INVALID" | "TEMPLATE_FAILED";

/** Never holds a value that came from outside: only names, lines and constructs of the template. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
  readonly code: TemplateErrorCode;

  constructor(code: TemplateErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
