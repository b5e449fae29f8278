import {
  BATCH_ENTRY_ID_PATTERN,
  DEDUPLICATION_ID_PATTERN,
  GROUP_ID_FIELD,
  GROUP_ID_PATTERN,
  MAX_BATCH_ENTRIES,
} from "../../sdk/client/src/contract.ts";

/** API Gateway reads models as JSON schema draft 4. */
const $schema = "http://json-schema.org/draft-04/schema#";

/** Body of `POST /<queue>`: an object with a group id; all else is the producer's. */
export const sendMessageModel = {
  $schema,
  title: "SendMessage",
  type: "object",
  required: [GROUP_ID_FIELD],
  properties: { [GROUP_ID_FIELD]: { type: "string", pattern: GROUP_ID_PATTERN } },
} as const;

/** Body of `POST /<queue>/batch`. An unknown field is refused: a misspelt `idempotencyKey` would cost deduplication. */
export const sendBatchModel = {
  $schema,
  title: "SendBatch",
  type: "object",
  required: ["entries"],
  additionalProperties: false,
  properties: {
    entries: {
      type: "array",
      minItems: 1,
      maxItems: MAX_BATCH_ENTRIES,
      items: {
        type: "object",
        required: ["id", "groupId", "body"],
        additionalProperties: false,
        properties: {
          id: { type: "string", pattern: BATCH_ENTRY_ID_PATTERN },
          groupId: { type: "string", pattern: GROUP_ID_PATTERN },
          idempotencyKey: { type: "string", pattern: DEDUPLICATION_ID_PATTERN },
          body: { type: "string", minLength: 2 },
        },
      },
    },
  },
} as const;
