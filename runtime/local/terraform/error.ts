/** What went wrong while reading emitted Terraform. */
export type TerraformErrorCode =
  | "unreadable-file"
  | "invalid-file"
  | "unknown-deployment"
  | "invalid-expression"
  | "unknown-type"
  | "unknown-function"
  | "unknown-reference"
  | "unknown-argument"
  | "cycle";

/** An emitted Terraform file holds something that local mode cannot read; the message names it and where it stands. */
export class TerraformError extends Error {
  override readonly name = "TerraformError";
  readonly code: TerraformErrorCode;
  /** The address and argument that could not be read; absent as long as only the expression is known. */
  readonly where: string | undefined;

  constructor(code: TerraformErrorCode, message: string, options: ErrorOptions & { readonly where?: string } = {}) {
    super(options.where === undefined ? message : `${options.where}: ${message}`, options);
    this.code = code;
    this.where = options.where;
  }
}
