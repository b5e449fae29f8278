/** An invocation, as it goes to a function's process. */
export interface ToFunction {
  readonly event: unknown;
  readonly requestId: string;
  /** When the process is ended, in milliseconds since 1970. */
  readonly deadline: number;
  readonly functionName: string;
  readonly functionArn: string;
  readonly memoryMegabytes: number;
}

/** What a function's process says. An error goes by its name alone: its text could hold a message's body. */
export type FromFunction =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "error"; readonly name: string };
