/** One resource of the emitted Terraform, with every expression in it resolved. */
export interface EmittedResource {
  /** The stack that declares it, e.g. `dev-gateway`. */
  readonly stack: string;
  /** Terraform's resource type, e.g. `aws_sqs_queue`. */
  readonly type: string;
  /** Terraform's name of it inside its type. */
  readonly name: string;
  /** `<stack>/<type>.<name>`: how error messages name it. */
  readonly address: string;
  /** The emitted arguments and the computed attributes (`id`, `arn`, ...); ids and ARNs are plain strings. */
  readonly values: Readonly<Record<string, unknown>>;
}
