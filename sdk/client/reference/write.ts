import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Application,
  type Context,
  Converter,
  type DeclarationReflection,
  LiteralType,
  type ProjectReflection,
  ReflectionKind,
  type SomeType,
  UnionType,
  UnknownType,
} from "typedoc";
import ts from "typescript";

// Writes ../API.md; with --check it writes nothing and fails when the file is not what it would write.

const TARGET = join(import.meta.dirname, "../API.md");

const HEADER = `<!-- Written by \`npm run reference -w sdk/client\` from the doc comments in src/. Do not edit. -->

# API of @org/fifo-client

What the package exports, in full. The [README](README.md) says how to use it and what happens when something fails.
`;

const written = `${HEADER}\n${tidy(await render())}`;
if (!process.argv.includes("--check")) {
  await writeFile(TARGET, written);
} else if ((await readFile(TARGET, "utf8")) !== written) {
  console.error(
    "API.md is not what the doc comments say now: run `npm run reference -w sdk/client` and look at the diff.",
  );
  process.exitCode = 1;
}

async function render(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "fifo-client-api-"));
  try {
    const app = await Application.bootstrapWithPlugins({
      options: join(import.meta.dirname, "typedoc.json"),
      outputs: [{ name: "markdown", path: folder }],
      logLevel: "Warn",
    });
    const readable = new Map<DeclarationReflection, SomeType>();
    app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context: Context, made: DeclarationReflection) => {
      const type = readableType(context, made);
      if (type) readable.set(made, type);
    });
    app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }: Context) => {
      for (const [alias, type] of readable) alias.type = type;
      prune(project);
    });
    const project = await app.convert();
    if (project === undefined) throw new Error("typedoc could not read src/: its messages are above.");
    app.validate(project);
    await app.generateOutputs(project);
    if (app.logger.hasErrors() || app.logger.hasWarnings())
      throw new Error("typedoc complains: its messages are above.");
    return await readFile(join(folder, "API.md"), "utf8");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * How a type reads best. Of a name that stands for many texts, those texts, in the order of the alphabet: what it is made of
 * need not be exported. Of an intersection, its source: typedoc makes a chapter of each of its parts.
 */
function readableType(context: Context, alias: DeclarationReflection): SomeType | undefined {
  const symbol = alias.kindOf(ReflectionKind.TypeAlias) ? context.getSymbolFromReflection(alias) : undefined;
  const source = symbol?.declarations?.find(ts.isTypeAliasDeclaration)?.type;
  if (symbol === undefined || source === undefined) return undefined;
  if (ts.isIntersectionTypeNode(source)) return new UnknownType(source.getText());
  const type = context.checker.getDeclaredTypeOfSymbol(symbol);
  if (!type.isUnion() || (ts.isUnionTypeNode(source) && source.types.every(ts.isLiteralTypeNode))) return undefined;
  const texts = type.types.flatMap((member) => (member.isStringLiteral() ? [member.value] : []));
  if (texts.length < type.types.length) return undefined;
  return new UnionType(texts.toSorted().map((text) => new LiteralType(text)));
}

/** Takes out what is no use to a caller: how errors are built, members named by a symbol of our own, and methods told twice. */
function prune(project: ProjectReflection): void {
  const members = project.getReflectionsByKind(
    ReflectionKind.Constructor | ReflectionKind.Accessor | ReflectionKind.Property | ReflectionKind.Method,
  );
  for (const member of members) {
    const toldTwice =
      member.isDeclaration() && member.inheritedFrom !== undefined && !member.kindOf(ReflectionKind.Property);
    if (member.kindOf(ReflectionKind.Constructor) || member.name === "[KIND]" || member.name === "name" || toldTwice) {
      project.removeReflection(member);
    }
  }
}

/** Anchors that nothing links to, rules above headings and marks of nothing only stand in the way of a reader. */
function tidy(markdown: string): string {
  return `${markdown
    .replace(/<a id="([^"]+)"><\/a> /g, (anchor, id: string) => (markdown.includes(`(#${id})`) ? anchor : ""))
    .replace(/^\*\*\*\n\n/gm, "")
    .replace(/ \| - \|$/gm, " | |")
    .replace(/\( \\\| /g, "(")
    .replace(/=> \\\| /g, "=> ")
    .replace(/\(\n((?: {3}\w+\??,? ?\n)+)\)/g, (_, names: string) => `(${names.trim().replace(/\s+/g, " ")})`)
    .trimEnd()}\n`;
}
