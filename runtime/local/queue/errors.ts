/** An error of SQS, with what each of its two protocols says about it. */
export type SqsErrorCode =
  | "BatchEntryIdsNotDistinct"
  | "BatchRequestTooLong"
  | "EmptyBatchRequest"
  | "InternalError"
  | "InvalidAction"
  | "InvalidAddress"
  | "InvalidAttributeName"
  | "InvalidAttributeValue"
  | "InvalidBatchEntryId"
  | "InvalidMessageContents"
  | "InvalidParameterValue"
  | "MalformedInput"
  | "MissingParameter"
  | "PurgeQueueInProgress"
  | "QueueDeletedRecently"
  | "QueueDoesNotExist"
  | "QueueNameExists"
  | "ReceiptHandleIsInvalid"
  | "ResourceNotFoundException"
  | "SerializationException"
  | "TooManyEntriesInBatchRequest"
  | "UnsupportedOperation";

interface Shape {
  /** The JSON protocol's `__type`. */
  readonly type: string;
  /** The query protocol's `Code`, and the JSON protocol's `x-amzn-query-error`. */
  readonly queryCode: string;
  readonly status: number;
}

const modelled = (code: SqsErrorCode, queryCode: string = code, status = 400): Shape => ({
  type: `com.amazonaws.sqs#${code}`,
  queryCode,
  status,
});
const framework = (type: string, queryCode: string, status = 400): Shape => ({
  type: `com.amazon.coral.service#${type}`,
  queryCode,
  status,
});
const legacy = (code: SqsErrorCode, status = 400): Shape =>
  modelled(code, `AWS.SimpleQueueService.${code === "QueueDoesNotExist" ? "NonExistentQueue" : code}`, status);

// Statuses and query codes are those of the service's own model (traits httpError and awsQueryError).
const SHAPES: Readonly<Record<SqsErrorCode, Shape>> = {
  BatchEntryIdsNotDistinct: legacy("BatchEntryIdsNotDistinct"),
  BatchRequestTooLong: legacy("BatchRequestTooLong"),
  EmptyBatchRequest: legacy("EmptyBatchRequest"),
  InternalError: framework("InternalFailure", "InternalError", 500),
  InvalidAction: framework("UnknownOperationException", "InvalidAction"),
  InvalidAddress: modelled("InvalidAddress", "InvalidAddress", 404),
  InvalidAttributeName: modelled("InvalidAttributeName"),
  InvalidAttributeValue: modelled("InvalidAttributeValue"),
  InvalidBatchEntryId: legacy("InvalidBatchEntryId"),
  InvalidMessageContents: modelled("InvalidMessageContents"),
  InvalidParameterValue: framework("InvalidParameterValueException", "InvalidParameterValue"),
  MalformedInput: framework("MalformedInputException", "MalformedInput"),
  MissingParameter: framework("MissingRequiredParameterException", "MissingParameter"),
  PurgeQueueInProgress: legacy("PurgeQueueInProgress", 403),
  QueueDeletedRecently: legacy("QueueDeletedRecently"),
  QueueDoesNotExist: legacy("QueueDoesNotExist"),
  QueueNameExists: modelled("QueueNameExists", "QueueAlreadyExists"),
  ReceiptHandleIsInvalid: modelled("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404),
  ResourceNotFoundException: modelled("ResourceNotFoundException", "ResourceNotFoundException", 404),
  SerializationException: framework("SerializationException", "MalformedInput"),
  TooManyEntriesInBatchRequest: legacy("TooManyEntriesInBatchRequest"),
  UnsupportedOperation: legacy("UnsupportedOperation"),
};

/**
 * What SQS would have refused, with its own code and status.
 *
 * @example
 * try { engine.send("orders.fifo", entry) } catch (error) {
 *   if (error instanceof SqsError && error.code === "QueueDoesNotExist") ...
 * }
 */
export class SqsError extends Error {
  override readonly name = "SqsError";
  readonly code: SqsErrorCode;
  readonly type: string;
  readonly queryCode: string;
  /** HTTP status. */
  readonly status: number;
  /** Whose fault it is; everything below status 500 is the sender's. */
  readonly fault: "Sender" | "Receiver";

  constructor(code: SqsErrorCode, message: string) {
    super(message);
    const { type, queryCode, status } = SHAPES[code];
    this.code = code;
    this.type = type;
    this.queryCode = queryCode;
    this.status = status;
    this.fault = status < 500 ? "Sender" : "Receiver";
  }
}

/** `InvalidParameterValue` in SQS's own words: the value, the parameter and the reason. */
export const invalidParameter = (name: string, value: string | number, reason: string): SqsError =>
  new SqsError("InvalidParameterValue", `Value ${value} for parameter ${name} is invalid. Reason: ${reason}`);

/** `MissingParameter`: a required one is absent or empty. */
export const missingParameter = (name: string): SqsError =>
  new SqsError("MissingParameter", `The request must contain the parameter ${name}.`);
