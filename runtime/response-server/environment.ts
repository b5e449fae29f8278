/** What the response server is told from outside. */
export interface ServerEnvironment {
  readonly port: number;
  readonly host: string;
  readonly logDirectory: string;
  readonly honourTimeOut: boolean;
  readonly bodyLimitBytes: number;
}

/** A variable makes no sense. The text names it, its value and what was expected. */
export class ServerConfigurationError extends Error {
  readonly code = "INVALID_CONFIGURATION";
  constructor(variable: string, received: string, expected: string) {
    super(`${variable} is ${JSON.stringify(received)}; expected ${expected}`);
    this.name = "ServerConfigurationError";
  }
}

/** 1.5 MiB: the largest message of the queue is 1 MiB. */
export const DEFAULT_BODY_LIMIT_BYTES = 1_572_864;

/**
 * Reads the server's environment.
 *
 * - `PORT`: 8000. 0 takes a free one, which the first log line names.
 * - `HOST`: 127.0.0.1. A machine that others shall reach sets `0.0.0.0`.
 * - `LOG_DIR`: `./logs`, made when it does not exist. One server a folder.
 * - `HONOUR_TIME_OUT`: `false`. With `true`, an answer waits `data.time_out` seconds.
 * - `BODY_LIMIT_BYTES`: 1572864.
 *
 * @throws ServerConfigurationError with the variable's name, its value and what was expected
 * @example readServerEnvironment({ PORT: "9000" }).logDirectory // "./logs"
 */
export function readServerEnvironment(variables: Readonly<Record<string, string | undefined>>): ServerEnvironment {
  return {
    port: wholeNumber("PORT", variables["PORT"] ?? "8000", 0, 65_535),
    host: text("HOST", variables["HOST"] ?? "127.0.0.1"),
    logDirectory: text("LOG_DIR", variables["LOG_DIR"] ?? "./logs"),
    honourTimeOut: yesOrNo("HONOUR_TIME_OUT", variables["HONOUR_TIME_OUT"] ?? "false"),
    bodyLimitBytes: wholeNumber(
      "BODY_LIMIT_BYTES",
      variables["BODY_LIMIT_BYTES"] ?? String(DEFAULT_BODY_LIMIT_BYTES),
      1,
      104_857_600,
    ),
  };
}

function wholeNumber(variable: string, value: string, least: number, most: number): number {
  if (!/^\d{1,9}$/.test(value) || Number(value) < least || Number(value) > most) {
    throw new ServerConfigurationError(variable, value, `a whole number from ${least} to ${most}`);
  }
  return Number(value);
}

function text(variable: string, value: string): string {
  if (value === "") throw new ServerConfigurationError(variable, value, "a text that is not empty");
  return value;
}

function yesOrNo(variable: string, value: string): boolean {
  if (value === "true" || value === "1") return true;
  if (value === "false" || value === "0") return false;
  throw new ServerConfigurationError(variable, value, "true or false");
}
