import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { z } from "zod";
import { readKept, writeKept } from "./kept-file.ts";

const port = z.int().min(1).max(65_535);
const portsSchema = z.object({ gateway: port, sqs: port, dynamodb: port, backend: port });

/** The port of each server on 127.0.0.1. */
export type Ports = z.infer<typeof portsSchema>;

/**
 * Chooses the ports: those of the last run in this data folder, so that a copied URL goes on working, else free ones. Writes
 * them to the file.
 *
 * @param wanted the gateway's port, when the user named one
 * @throws Error when the port that the user named is taken
 * @example const { ports, moved } = await choosePorts(".local/ports.json", undefined);
 */
export async function choosePorts(
  file: string,
  wanted: number | undefined,
): Promise<{ readonly ports: Ports; readonly moved: readonly string[] }> {
  const remembered = readPorts(file);
  if (wanted !== undefined && !(await isFree(wanted))) {
    throw new Error(`port ${wanted} is taken: name another one with --port, or leave --port out`);
  }
  const moved: string[] = [];
  const chosen = new Set(wanted === undefined ? [] : [wanted]);
  const choose = async (name: keyof Ports): Promise<number> => {
    const before = remembered?.[name];
    const isGone = before !== undefined && !(await isFree(before));
    if (isGone) moved.push(`${name}: port ${before} is taken, so it has another one now`);
    let number = isGone ? undefined : before;
    while (number === undefined || chosen.has(number)) number = await listenOnce(0);
    chosen.add(number);
    return number;
  };
  const ports: Ports = {
    gateway: wanted ?? (await choose("gateway")),
    sqs: await choose("sqs"),
    dynamodb: await choose("dynamodb"),
    backend: await choose("backend"),
  };
  writeKept(file, `${JSON.stringify(ports)}\n`, 0o644);
  return { ports, moved };
}

function readPorts(file: string): Ports | undefined {
  const text = readKept(file);
  if (text === undefined) return undefined;
  try {
    return portsSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${file} does not hold four ports: delete it, and new ones are chosen`, { cause });
  }
}

async function isFree(number: number): Promise<boolean> {
  try {
    await listenOnce(number);
    return true;
  } catch {
    return false;
  }
}

async function listenOnce(number: number): Promise<number> {
  const server = createServer();
  server.listen(number, "127.0.0.1");
  await once(server, "listening");
  const { port: taken } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return taken;
}
