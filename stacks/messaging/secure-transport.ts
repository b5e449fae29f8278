import type { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue/index.js";
import { SqsQueuePolicy } from "@cdktf/provider-aws/lib/sqs-queue-policy/index.js";
import type { ITerraformDependable } from "cdktf";
import type { Construct } from "constructs";
import { refusedByPlainHttp } from "../policy-statements.ts";

/**
 * Refuses whoever speaks plain HTTP to a queue, whatever they may do otherwise (SQS, "Security best practices": enforce
 * encryption of data in transit). It allows nobody anything: that is for the roles' own policies.
 *
 * @param after what has to be there first
 */
export function refusePlainHttp(
  scope: Construct,
  id: string,
  queue: SqsQueue,
  after: ITerraformDependable[] = [],
): void {
  new SqsQueuePolicy(scope, id, {
    queueUrl: queue.url,
    policy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [refusedByPlainHttp("sqs:*", queue.arn)],
    }),
    ...(after.length === 0 ? {} : { dependsOn: after }),
  });
}
