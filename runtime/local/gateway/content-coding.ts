import { promisify } from "node:util";
import { deflate, gunzip, gzip, inflate } from "node:zlib";
import type { Answer } from "./gateway-response.ts";

/** The codings that API Gateway knows besides `identity` ("Enable payload compression for an API in API Gateway"). */
const CODINGS = {
  gzip: { encode: promisify(gzip), decode: promisify(gunzip) },
  deflate: { encode: promisify(deflate), decode: promisify(inflate) },
} as const;

type Coding = keyof typeof CODINGS;

const isCoding = (name: string): name is Coding => Object.hasOwn(CODINGS, name);

/**
 * Takes a request's coding off its body. API Gateway does so whether or not the API compresses answers.
 *
 * @param header the request's `content-encoding`
 * @param limit most bytes that the body may have
 * @returns `refused` for a coding that is not known, or that the body does not have ("Call an API method with a compressed
 * payload in API Gateway"); `too large` for a body over the limit, which AWS does not document
 */
export async function decodeContent(
  body: Buffer,
  header: string | undefined,
  limit: number,
): Promise<Buffer | "refused" | "too large"> {
  const coding = (header ?? "identity").trim().toLowerCase();
  if (coding === "identity" || body.length === 0) return body;
  if (!isCoding(coding)) return "refused";
  try {
    return await CODINGS[coding].decode(body, { maxOutputLength: limit });
  } catch (error) {
    const tooLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    return tooLarge ? "too large" : "refused";
  }
}

/**
 * Compresses an answer for who asks for it by name: `*`, or no header, is no such wish ("Receive an API response with a compressed
 * payload in API Gateway").
 *
 * @param header the request's `accept-encoding`
 * @param minimum an answer of fewer bytes stays as it is; undefined where the API compresses none
 */
export async function encodeContent(
  answer: Answer,
  header: string | undefined,
  minimum: number | undefined,
): Promise<Answer> {
  const coding = wantedCoding(header ?? "");
  const length = Buffer.byteLength(answer.body);
  if (coding === undefined || minimum === undefined || length === 0 || length < minimum) return answer;
  const body = await CODINGS[coding].encode(answer.body);
  return { ...answer, body, headers: { ...answer.headers, "Content-Encoding": coding } };
}

/** The first known one among those of the highest weight: where others alone are wanted most, nothing is compressed. */
function wantedCoding(header: string): Coding | undefined {
  const wanted = header.split(",").map((part) => {
    const [name = "", ...parameters] = part
      .toLowerCase()
      .split(";")
      .map((text) => text.trim());
    const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1";
    return { name, weight: Number(weight) };
  });
  const highest = Math.max(...wanted.map(({ weight }) => weight));
  return wanted.flatMap(({ name, weight }) => (weight === highest && weight > 0 && isCoding(name) ? [name] : []))[0];
}
