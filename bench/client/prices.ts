/** A published price, and where it was read. */
export interface Price {
  readonly dollars: number;
  /** What is paid for, and in what amount. */
  readonly per: string;
  readonly source: string;
  /** The date that the source gives its prices. */
  readonly date: string;
}

/** The region of every price below. Others differ: put yours here. */
export const REGION = "us-east-1";

/**
 * On-demand prices of the first tier. AWS's own pages fill their tables in by script, so all but the first are as others
 * quote them: compare them with AWS's before you rely on a sum.
 */
export const PRICES = {
  /** Counted by the request, whatever its size: only HTTP APIs are metered by 512 KB. */
  gatewayRequest: {
    dollars: 3.5,
    per: "million requests to a REST API",
    source:
      "https://docs.aws.amazon.com/pt_br/whitepapers/latest/best-practices-api-gateway-private-apis-integration/cost-optimization.html",
    date: "undated, no region; the same at https://cloud-horizons.com/blog/api-gateway-rest-vs-http-the-71-percent-discount/, 2026-05-08",
  },
  /** Send, receive, delete and change of visibility; a batch is one request for each 64 KiB begun of it as a whole. */
  queueRequest: {
    dollars: 0.5,
    per: "million requests to a FIFO queue",
    source: "https://www.factualminds.com/blog/amazon-sqs-pricing-64kb-rule-fifo-vs-standard/",
    date: "2026-06-13; the same at https://cloudburn.io/blog/amazon-sqs-pricing, 2026-03-14",
  },
  functionRequest: {
    dollars: 0.2,
    per: "million invocations",
    source: "https://git.mcrn.ar/mariano/lambda_local_runner/src/branch/main/docs/lambdas-md/lambda-13-cost.md",
    date: "2026-05-11",
  },
  functionGigabyteSecond: {
    dollars: 0.0000133334,
    per: "GB-second on arm64",
    source: "https://cloudchipr.com/blog/aws-lambda-pricing",
    date: "2024; the same at the page above, 2026-05-11",
  },
  /** A consistent read of up to 4 KB, also one that finds nothing. */
  tableRead: {
    dollars: 0.125,
    per: "million read request units, on demand",
    source: "https://airbyte.com/data-engineering-resources/dynamodb-pricing",
    date: "undated; pages older than November 2024 say twice as much",
  },
  /** A write of up to 1 KB, in the table and in its index each. */
  tableWrite: {
    dollars: 0.625,
    per: "million write request units, on demand",
    source: "https://airbyte.com/data-engineering-resources/dynamodb-pricing",
    date: "undated; pages older than November 2024 say twice as much",
  },
} as const satisfies Record<string, Price>;
