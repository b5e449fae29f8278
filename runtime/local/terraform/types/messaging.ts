import { type Attribute, argument, arn, type ResourceTypes, uuid } from "../resource-type.ts";
import { NOT_ENCRYPTED, PERMISSIONS_UNCHECKED } from "./reasons.ts";

const queueUrl: Attribute = (subject) =>
  `${subject.place.endpoints.sqs}/${subject.place.accountId}/${subject.text("name")}`;

const keyArn = (id: Attribute): Attribute => arn("kms", (subject) => `key/${id(subject)}`);

/** What holds messages, and the key that encrypts it. */
export const MESSAGING_TYPES: ResourceTypes = {
  aws_sqs_queue: { computed: { id: queueUrl, url: queueUrl, arn: arn("sqs", argument("name")) } },
  aws_sqs_queue_redrive_policy: { computed: { id: argument("queue_url") } },
  aws_sqs_queue_redrive_allow_policy: { computed: { id: argument("queue_url") } },
  aws_sqs_queue_policy: { computed: { id: argument("queue_url") }, ignoredBecause: PERMISSIONS_UNCHECKED },
  aws_dynamodb_table: {
    computed: { id: argument("name"), arn: arn("dynamodb", (subject) => `table/${subject.text("name")}`) },
  },

  aws_kms_key: {
    computed: { id: uuid, key_id: uuid, arn: keyArn(uuid) },
    ignoredBecause: NOT_ENCRYPTED,
  },
  aws_kms_alias: {
    computed: {
      id: argument("name"),
      arn: arn("kms", argument("name")),
      target_key_arn: (subject) => {
        const key = subject.text("target_key_id");
        return key.startsWith("arn:") ? key : keyArn(() => key)(subject);
      },
    },
    ignoredBecause: NOT_ENCRYPTED,
  },
};
