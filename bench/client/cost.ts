import { PRICES, REGION } from "./prices.ts";

const MILLION = 1_000_000;
const QUEUE_CHUNK_BYTES = 65_536;

// What is assumed. The function's memory is the deployment's default.
const FUNCTION_MEGABYTES = 512;
const INVOCATION_MILLISECONDS = 10;
const BACKEND_MILLISECONDS = 20;

/** Dollars for a million messages. */
export interface Cost {
  readonly gateway: number;
  readonly queue: number;
  readonly lambda: number;
}

/**
 * What a million messages cost when each request, each receive and each invocation holds `fill` of them, all of different
 * groups: then a backend's 20 ms pass for all of a batch at once.
 *
 * @param fill messages a batch, 1 to 10
 * @param messageBytes of each, as the queue counts them
 */
export function costOfMillion(fill: number, messageBytes: number): Cost {
  const batches = MILLION / fill;
  const chunks = Math.ceil((fill * messageBytes) / QUEUE_CHUNK_BYTES);
  // A send and a receive carry the bodies; a change of visibility (the consumer's first step) and a delete carry handles.
  const queueRequests = batches * (chunks + chunks + 1 + 1);
  const gigabyteSeconds =
    (batches * (INVOCATION_MILLISECONDS + BACKEND_MILLISECONDS) * FUNCTION_MEGABYTES) / 1_000 / 1_024;
  return {
    gateway: (batches / MILLION) * PRICES.gatewayRequest.dollars,
    queue: (queueRequests / MILLION) * PRICES.queueRequest.dollars,
    lambda:
      (batches / MILLION) * PRICES.functionRequest.dollars + gigabyteSeconds * PRICES.functionGigabyteSecond.dollars,
  };
}

/** Prints the sums, what they are made of, and where each price is from. */
export function printCost(): void {
  console.log(
    `a million messages in ${REGION} (no source was found for other regions); free tier, data transfer, empty receives, logs and the backend left out; by batches:\n` +
      "gateway: a request; queue: send, receive, change of visibility, delete, the first two for each 64 KiB begun; " +
      `lambda: an invocation of ${INVOCATION_MILLISECONDS + BACKEND_MILLISECONDS} ms with ${FUNCTION_MEGABYTES} MB`,
  );
  for (const messageBytes of [1_024, 16_384]) {
    const single = total(costOfMillion(1, messageBytes));
    for (const fill of [1, 5, 10]) {
      const cost = costOfMillion(fill, messageBytes);
      console.log(
        `${messageBytes / 1_024} KiB, batches of ${fill}: $${total(cost).toFixed(2)} ` +
          `(gateway ${cost.gateway.toFixed(2)}, queue ${cost.queue.toFixed(2)}, lambda ${cost.lambda.toFixed(2)}); ` +
          `batches of 1 / of ${fill} = ${(single / total(cost)).toFixed(2)}`,
      );
    }
  }
  for (const { dollars, per, source, date } of Object.values(PRICES)) {
    console.log(`$${dollars} per ${per}: ${source} (${date})`);
  }
}

const total = ({ gateway, queue, lambda }: Cost): number => gateway + queue + lambda;
