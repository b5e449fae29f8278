import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Emitted, type EmittedStack, projectRoot, synth } from "./emitted.ts";

/**
 * Addresses of the resources that differ once a copy of the tree was edited.
 *
 * @param before what the tree emits as it is
 * @param stacks whose resources are compared
 * @param change edits the copy, which lies in the folder that it is given
 */
export function changesOf(before: Emitted, stacks: readonly string[], change: (copy: string) => void): string[] {
  const after = synthEdited(change);
  return stacks.flatMap((name) => changedResources(before.stack(name), after.stack(name)));
}

/** What a copy of the tree emits that was edited. */
export function synthEdited(change: (copy: string) => void): Emitted {
  const copy = copyOfTree();
  try {
    change(copy);
    return synth({ root: copy });
  } finally {
    rmSync(copy, { recursive: true });
  }
}

/** Copies what a synth needs to a folder of its own, which is the caller's to delete. */
export function copyOfTree(): string {
  const copy = mkdtempSync(join(tmpdir(), "fifo-gateway-copy-"));
  mkdirSync(join(copy, "sdk/client"), { recursive: true });
  for (const part of ["main.ts", "package.json", "stacks", "runtime", "sdk/client/src", "sdk/client/package.json"]) {
    cpSync(join(projectRoot, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(projectRoot, "node_modules"), join(copy, "node_modules"));
  return copy;
}

/** Changes a file's text, and fails when nothing changes. */
export function edit(file: string, change: (text: string) => string): void {
  const before = readFileSync(file, "utf8");
  const after = change(before);
  assert.notEqual(after, before, `the edit of ${file} changes something`);
  writeFileSync(file, after);
}

/** Addresses of the resources of two stacks that differ, or are in one of them only. */
export function changedResources(before: EmittedStack, after: EmittedStack): string[] {
  const [was, is] = [flat(before), flat(after)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .filter((address) => was.get(address) !== is.get(address))
    .toSorted();
}

/** Each resource's arguments as text, by its address. */
function flat(stack: EmittedStack): Map<string, string> {
  return new Map(
    Object.entries(stack.resource).flatMap(([type, named]) =>
      Object.entries(named).map(([name, args]) => [`${type}.${name}`, JSON.stringify(args)] as const),
    ),
  );
}
