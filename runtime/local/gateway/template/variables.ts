import { Host, type JsonObject, stringArg, type Value } from "./java.ts";
import { readPath } from "./json-path.ts";

declare global {
  interface JSON {
    /** Missing in TypeScript's library for ES2024. */
    rawJSON(text: string): object;
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): Value;
  }
}

/** What one rendering sees of its request or answer. */
export interface TemplateInput {
  /** The raw body. */
  readonly body: string;
  /** The parsed body, made when a template first asks for it. */
  readonly document: () => Value;
  readonly params: {
    readonly header: ReadonlyMap<string, string>;
    readonly path: ReadonlyMap<string, string>;
    readonly querystring: ReadonlyMap<string, string>;
  };
  readonly context: JsonObject;
  readonly stageVariables: JsonObject;
}

/** `$input`, `$util`, `$context` and `$stageVariables`, as API Gateway documents them. */
export function templateVariables(input: TemplateInput): ReadonlyMap<string, Value> {
  return new Map<string, Value>([
    ["input", inputVariable(input)],
    ["util", UTIL],
    ["context", input.context],
    ["stageVariables", input.stageVariables],
  ]);
}

/**
 * A parsed body. API Gateway's parser takes what is no JSON for one string.
 */
export function parseDocument(body: string): Value {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

function inputVariable({ body, document, params }: TemplateInput): Host {
  return new Host("$input", {
    properties: { body: () => body },
    methods: {
      path: (args) => readPath(document(), stringArg(args, 0)),
      json: (args) => JSON.stringify(readPath(keepNumbers(body), stringArg(args, 0))),
      params: (args) => {
        if (args.length === 0) return new Map(Object.entries(params));
        const name = stringArg(args, 0);
        return params.path.get(name) ?? params.querystring.get(name) ?? params.header.get(name) ?? "";
      },
    },
  });
}

/** Parsed so that numbers print again as they were written. */
function keepNumbers(body: string): Value {
  try {
    return JSON.parse(body, (_key, value, { source }) =>
      typeof value === "number" && source !== undefined ? JSON.rawJSON(source) : value,
    );
  } catch {
    return body;
  }
}

const UTIL = new Host("$util", {
  methods: {
    urlEncode: (args) => urlEncode(stringArg(args, 0)),
    urlDecode: (args) => decodeURIComponent(stringArg(args, 0).replaceAll("+", " ")),
    escapeJavaScript: (args) => escapeJavaScript(stringArg(args, 0)),
    base64Encode: (args) => Buffer.from(stringArg(args, 0), "utf8").toString("base64"),
    base64Decode: (args) => Buffer.from(stringArg(args, 0), "base64").toString("utf8"),
    parseJson: (args) => {
      try {
        return JSON.parse(stringArg(args, 0));
      } catch {
        throw new Error("the text is no JSON");
      }
    },
  },
});

/** java.net.URLEncoder: a blank becomes `+`; letters, digits and `.-*_` stay; half a surrogate pair becomes `?`. */
export function urlEncode(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, "?")).replace(/%20|[!'()~]/g, (found) =>
    found === "%20" ? "+" : `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

const NAMED: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\n": "\\n",
  "\t": "\\t",
  "\f": "\\f",
  "\r": "\\r",
  "'": "\\'",
  '"': '\\"',
  "\\": "\\\\",
  "/": "\\/",
};

/** commons-lang 2's escapeJavaScript, which writes `\'` and `\/`, and everything outside U+0020 to U+007F as \uXXXX. */
export function escapeJavaScript(text: string): string {
  return text.replace(
    /["'\\/]|[^\x20-\x7f]/g,
    (found) => NAMED[found] ?? `\\u${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
  );
}
