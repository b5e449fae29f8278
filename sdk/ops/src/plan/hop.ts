import type { Change } from "./change.ts";

/** A message's path, in the direction in which it travels, and where it is set aside. */
export const PATH = ["producers", "gateway", "queue", "consumer", "backend", "dead-letter", "parking lot"] as const;

/** Where a resource is: on the path, or beside it. */
export const HOPS = [...PATH, "network", "permissions", "encryption", "operations", "other"] as const;
export type Hop = (typeof HOPS)[number];

/** The first row that matches tells. */
const HOP_OF: readonly (readonly [RegExp, Hop])[] = [
  [/^aws_api_gateway_(?:api_key|usage_plan)/, "producers"],
  [/^aws_(?:api_gateway|apigatewayv2|acm|route53|wafv2)_/, "gateway"],
  [/^aws_sqs_/, "queue"],
  [/^aws_lambda_/, "consumer"],
  [/^aws_(?:instance|ebs|ami|eip|iam_instance_profile|launch_template|autoscaling)/, "backend"],
  [/^aws_dynamodb_/, "parking lot"],
  [/^aws_(?:vpc|subnet|route|internet_gateway|nat_gateway|security_group|default_|network_|flow_log)/, "network"],
  [/^aws_iam_/, "permissions"],
  [/^aws_kms_/, "encryption"],
  [/^aws_(?:cloudwatch|sns)_/, "operations"],
];

/** How the name of every dead-letter queue ends. */
const DEAD_LETTER = /-dead-letter\.fifo$/;

export function hopOf(change: Change): Hop {
  if (change.type.startsWith("aws_sqs_") && isDeadLetter(change)) return "dead-letter";
  return HOP_OF.find(([type]) => type.test(change.type))?.[1] ?? "other";
}

/** Whether a queue, or what belongs to one, is a dead-letter queue's. A redrive allowance is on that side, too. */
export function isDeadLetter({ type, name, before, after }: Change): boolean {
  if (type === "aws_sqs_queue_redrive_allow_policy") return true;
  const attribute = type === "aws_sqs_queue" ? "name" : "queue_url";
  const own = after?.[attribute] ?? before?.[attribute];
  // A new queue has no URL yet: its policies' names in the stacks tell, e.g. queue-1_dead-letter-transport.
  return typeof own === "string" ? DEAD_LETTER.test(own) : name.includes("_dead-letter");
}
