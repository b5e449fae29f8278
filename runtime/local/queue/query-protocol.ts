import type { QueueEngine } from "./engine.ts";
import { SqsError } from "./errors.ts";
import { parseOutgoing, queueNameOfUrl } from "./json-protocol.ts";

/**
 * Runs one action of the query protocol (`Action=SendMessage&...`, form-encoded), as the gateway's templates call it.
 *
 * Local mode serves SendMessage only: everything else speaks the JSON protocol. A parameter given twice is refused, since it
 * is the mark of a value that was not encoded.
 *
 * @param path the request's path: `/<account>/<queue>`
 * @returns the answer's document, in the form that SQS has it as JSON; the request id in it is the one given
 * @throws SqsError
 */
export function runQueryAction(path: string, form: string, engine: QueueEngine, requestId: string): object {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(form)) {
    if (parameters.has(name)) throw new SqsError("MalformedInput", `The parameter ${name} is given more than once.`);
    parameters.set(name, value);
  }
  const action = parameters.get("Action");
  if (action === undefined || action === "") {
    throw new SqsError("InvalidAction", "The request must contain the parameter Action.");
  }
  if (action !== "SendMessage") {
    throw new SqsError(
      "InvalidAction",
      `The action ${action} is not valid for this endpoint: local mode's query protocol serves SendMessage only, its JSON protocol the rest.`,
    );
  }
  const url = parameters.get("QueueUrl") ?? (path === "/" ? "" : `http://127.0.0.1${path}`);
  const queueName = queueNameOfUrl(url, engine.accountId);
  const sent = engine.send(queueName, parseOutgoing(sendParameters(parameters)));
  return {
    SendMessageResponse: {
      SendMessageResult: {
        MessageId: sent.messageId,
        SequenceNumber: sent.sequenceNumber,
        MD5OfMessageBody: sent.md5OfBody,
        MD5OfMessageAttributes: sent.md5OfMessageAttributes ?? null,
        MD5OfMessageSystemAttributes: sent.md5OfSystemAttributes ?? null,
      },
      ResponseMetadata: { RequestId: requestId },
    },
  };
}

function sendParameters(parameters: ReadonlyMap<string, string>): object {
  const delay = parameters.get("DelaySeconds");
  return {
    MessageBody: parameters.get("MessageBody"),
    MessageGroupId: parameters.get("MessageGroupId"),
    MessageDeduplicationId: parameters.get("MessageDeduplicationId"),
    DelaySeconds: delay === undefined ? undefined : Number(delay),
    MessageAttributes: numberedAttributes("MessageAttribute", parameters),
    MessageSystemAttributes: numberedAttributes("MessageSystemAttribute", parameters),
  };
}

/** `MessageAttribute.1.Name`, `.Value.DataType`, `.Value.StringValue`, `.Value.BinaryValue`, counted from 1. */
function numberedAttributes(prefix: string, parameters: ReadonlyMap<string, string>): Record<string, object> {
  const attributes: Record<string, object> = {};
  for (let number = 1; ; number += 1) {
    const name = parameters.get(`${prefix}.${number}.Name`);
    if (name === undefined) return attributes;
    const value = (field: string) => parameters.get(`${prefix}.${number}.Value.${field}`);
    attributes[name] = {
      DataType: value("DataType") ?? "",
      StringValue: value("StringValue"),
      BinaryValue: value("BinaryValue"),
    };
  }
}

/** An error as the query protocol has it in JSON. */
export const queryError = (error: SqsError, requestId: string): object => ({
  Error: { Code: error.queryCode, Message: error.message, Type: error.fault },
  RequestId: requestId,
});

const XML_ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/**
 * The same document as XML, which SQS answers when the request does not accept JSON.
 *
 * @example toXml({ A: { B: "1", C: null } }) // "<A><B>1</B></A>"
 */
export function toXml(document: object): string {
  return Object.entries(document)
    .map(([name, value]: [string, unknown]) => {
      if (value === null || value === undefined) return "";
      const inner =
        typeof value === "object"
          ? toXml(value)
          : String(value).replaceAll(/[&<>"]/g, (character) => XML_ESCAPES[character] ?? character);
      return `<${name}>${inner}</${name}>`;
    })
    .join("");
}
