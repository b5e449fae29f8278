import { Host, type JsonObject, type Value } from "./java.ts";
import { stringArg } from "./java-methods.ts";
import { readPath } from "./json-path.ts";
import type { Method, Signature } from "./signature.ts";

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

const ONE_TEXT: readonly Signature[] = [["string"]];
const INPUT_OVERLOADS = { path: ONE_TEXT, json: ONE_TEXT, params: [[], ["string"]] } as const;

/** A method of one overload, which takes one text. */
function ofText(call: (text: string) => Value): Method<void> {
  return { overloads: ONE_TEXT, call: (_self, args) => call(stringArg(args, 0)) };
}

function inputVariable({ body, document, params }: TemplateInput): Host {
  return new Host("$input", {
    properties: { body: () => body },
    methods: {
      path: ofText((path) => readPath(document(), path)),
      json: ofText((path) => JSON.stringify(readPath(keepNumbers(body), path))),
      params: {
        overloads: INPUT_OVERLOADS.params,
        call: (_self, args) => {
          if (args.length === 0) return new Map(Object.entries(params));
          const name = stringArg(args, 0);
          return params.path.get(name) ?? params.querystring.get(name) ?? params.header.get(name) ?? "";
        },
      },
    },
  });
}

/** Of JSON, what TypeScript's library for ES2024 lacks. */
interface SourceJson {
  rawJSON(text: string): object;
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): Value;
}

function hasSources(json: object): json is SourceJson {
  return "rawJSON" in json;
}

/** Parsed so that numbers print again as they were written. */
function keepNumbers(body: string): Value {
  const json: object = JSON;
  if (!hasSources(json)) throw new Error("$input.json needs a Node that has JSON.rawJSON");
  try {
    return json.parse(body, (_key, value, { source }) =>
      typeof value === "number" && source !== undefined ? json.rawJSON(source) : value,
    );
  } catch {
    return body;
  }
}

const UTIL = new Host("$util", {
  methods: {
    urlEncode: ofText(urlEncode),
    urlDecode: ofText((text) => decodeURIComponent(text.replaceAll("+", " "))),
    escapeJavaScript: ofText(escapeJavaScript),
    base64Encode: ofText((text) => Buffer.from(text, "utf8").toString("base64")),
    base64Decode: ofText((text) => Buffer.from(text, "base64").toString("utf8")),
    parseJson: ofText((text) => {
      try {
        return JSON.parse(text);
      } catch {
        throw new Error("the text is no JSON");
      }
    }),
  },
});

/** The overloads of each method of `$input` and `$util`, by object and method. */
export const GIVEN_OVERLOADS: ReadonlyMap<string, ReadonlyMap<string, readonly Signature[]>> = new Map([
  ["input", new Map<string, readonly Signature[]>(Object.entries(INPUT_OVERLOADS))],
  ["util", new Map([...UTIL.methods].map(([name, { overloads }]) => [name, overloads]))],
]);

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
