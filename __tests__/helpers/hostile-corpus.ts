import { MAX_BODY_BYTES } from "../../sdk/client/src/contract.ts";

/** A body that has to reach the queue byte for byte. */
export interface TakenBody {
  readonly name: string;
  readonly groupId: string;
  readonly body: string;
}

const withGroup = (name: string, payload: string): TakenBody => ({
  name,
  groupId: "10",
  body: `{"MessageGroupID":"10",${payload}}`,
});

/** A body of exactly so many bytes, made of one repeated character. */
export function bodyOfSize(bytes: number, filler = "x"): string {
  const [before, after] = ['{"MessageGroupID":"10","filler":"', '"}'] as const;
  const room = bytes - before.length - after.length;
  const width = Buffer.byteLength(filler);
  return `${before}${filler.repeat(Math.floor(room / width))}${"y".repeat(room % width)}${after}`;
}

const EVERY_PRINTABLE = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join("");

export const takenBodies: readonly TakenBody[] = [
  withGroup("a forged parameter", '"text":"&MessageGroupId=evil&Action=PurgeQueue"'),
  withGroup("an encoded ampersand", '"text":"%26MessageGroupId%3Devil%00%"'),
  withGroup("plus signs and blanks", '"text":"a+b  c + d"'),
  withGroup("quotes", String.raw`"text":"\"double\" 'single' ''' \\' \\\\' \\\""`),
  withGroup("apostrophes behind backslashes", String.raw`"text":"\\'\\\\'\\\\\\'it's"`),
  withGroup("line ends and tabs between tokens", '\r\n\t "text"\n:\r\n"a" '),
  withGroup("escaped line ends", String.raw`"text":"a\nb\r\n\tc\b\f\u0000\u001f"`),
  withGroup("Velocity directives", '"text":"#set($x = 1) #if(true) #end ## #* *# #[[ $input.body ]]# #foreach"'),
  withGroup(
    "Velocity references",
    '"text":"$input.body $!util.urlEncode(1) ${context.requestId} $input.path(\'$.x\') \\\\$x $"',
  ),
  withGroup("emoji", '"text":"😀👩‍👩‍👧‍👦🇰🇷","😀":"key"'),
  withGroup("Korean", '"text":"미디어 알람"'),
  withGroup("line and paragraph separators", '"text":"a\u2028b\u2029c\u0085d\u00a0e\ufeff"'),
  withGroup("the ends of what SQS takes", '"text":"\ud7ff\ue000\ufffd\u{10000}\u{10ffff}\u007f"'),
  withGroup("an escaped half of a surrogate pair", String.raw`"text":"\ud83d"`),
  withGroup(
    "big integers and long fractions",
    '"n":[12345678901234567890,1.10,1e400,-0,0.1000000000000000055511151231257827]',
  ),
  withGroup("closing braces", '"text":"}}}\\"}","nested":{"a":[{}]}'),
  withGroup("an XML and HTML text", String.raw`"text":"<a href='x'>&lt;&amp;<\/a></script>"`),
  withGroup("every printable ASCII character", `"text":${JSON.stringify(EVERY_PRINTABLE)}`),
  withGroup("slashes, escaped and not", String.raw`"text":"/\/\\/"`),
  withGroup("a nested group id", '"nested":{"MessageGroupID":"evil"},"data":{"MessageGroupID":"evil"}'),
  withGroup("names of JavaScript's and Java's own", '"__proto__":{"x":1},"constructor":1,"class":2,"toString":3'),
  { name: "blanks around it", groupId: "10", body: ' \n\t{ "MessageGroupID" : "10" } \r\n' },
  { name: "an escaped group id", groupId: "a10", body: String.raw`{"MessageGroupID":"\u0061\u00310"}` },
  { name: "an escaped field name", groupId: "10", body: String.raw`{"\u004dessageGroupID":"10"}` },
  { name: "the group id twice, the last counts", groupId: "b", body: '{"MessageGroupID":"a","MessageGroupID":"b"}' },
  {
    name: "a group id of hostile characters",
    groupId: `&=%+'"#$\\`,
    body: `{"MessageGroupID":${JSON.stringify(`&=%+'"#$\\`)}}`,
  },
  { name: "a group id of one character", groupId: "!", body: '{"MessageGroupID":"!"}' },
  { name: "a group id of 128 characters", groupId: "~".repeat(128), body: `{"MessageGroupID":"${"~".repeat(128)}"}` },
];

/** A body that has to be refused, with nothing queued. */
export interface RefusedBody {
  readonly name: string;
  readonly body: string | Uint8Array;
  readonly status: number;
  readonly code: string;
}

const invalid = { status: 400, code: "INVALID_BODY" };

export const refusedBodies: readonly RefusedBody[] = [
  { name: "an empty body", body: "", ...invalid },
  { name: "an array", body: '[{"MessageGroupID":"10"}]', ...invalid },
  { name: "a string", body: '"MessageGroupID"', ...invalid },
  { name: "a number", body: "10", ...invalid },
  { name: "null", body: "null", ...invalid },
  { name: "no JSON", body: "MessageGroupID=10", ...invalid },
  { name: "half a JSON", body: '{"MessageGroupID":"10"', ...invalid },
  { name: "two JSON documents", body: '{"MessageGroupID":"10"}{"MessageGroupID":"10"}', ...invalid },
  { name: "no group id", body: "{}", ...invalid },
  { name: "a group id in other letter case", body: '{"messagegroupid":"10"}', ...invalid },
  { name: "a group id that is a number", body: '{"MessageGroupID":10}', ...invalid },
  { name: "a group id that is null", body: '{"MessageGroupID":null}', ...invalid },
  { name: "a group id that is a list", body: '{"MessageGroupID":["10"]}', ...invalid },
  { name: "an empty group id", body: '{"MessageGroupID":""}', ...invalid },
  { name: "a group id of 129 characters", body: `{"MessageGroupID":"${"a".repeat(129)}"}`, ...invalid },
  { name: "a group id with a blank", body: '{"MessageGroupID":"a b"}', ...invalid },
  { name: "a group id with a line end", body: String.raw`{"MessageGroupID":"10\n"}`, ...invalid },
  { name: "a group id with an accent", body: '{"MessageGroupID":"é"}', ...invalid },
  { name: "a group id with an emoji", body: '{"MessageGroupID":"😀"}', ...invalid },
  { name: "a group id with half a surrogate pair", body: String.raw`{"MessageGroupID":"\ud83d"}`, ...invalid },
  { name: "the group id twice, the last one empty", body: '{"MessageGroupID":"a","MessageGroupID":""}', ...invalid },
  { name: "a raw control character", body: '{"MessageGroupID":"10","a":"\u0001"}', ...invalid },
  { name: "bytes that are no UTF-8", body: Buffer.from('{"MessageGroupID":"10","a":"\xff"}', "latin1"), ...invalid },
  { name: "a byte order mark", body: '\ufeff{"MessageGroupID":"10"}', ...invalid },
  {
    name: "U+FFFE, which SQS refuses",
    body: '{"MessageGroupID":"10","a":"\ufffe"}',
    status: 400,
    code: "MESSAGE_REFUSED",
  },
  {
    name: "U+FFFF, which SQS refuses",
    body: '{"MessageGroupID":"10","a":"\uffff"}',
    status: 400,
    code: "MESSAGE_REFUSED",
  },
  {
    name: "one byte more than the largest",
    body: bodyOfSize(MAX_BODY_BYTES + 1),
    status: 413,
    code: "MESSAGE_TOO_LARGE",
  },
  {
    name: "one byte more than the largest, in Korean",
    body: bodyOfSize(MAX_BODY_BYTES + 1, "한"),
    status: 413,
    code: "MESSAGE_TOO_LARGE",
  },
];

/** Values of the idempotency-key header that SQS has to see as they are. */
export const takenKeys = ["a", "k".repeat(128), `&=%+'"#$\\~!`, "&MessageGroupId=evil", "$input.body", "#set($x=1)"];

/** Values that must be an error and never content-based deduplication. */
export const refusedKeys = ["", " ", "a b", "k".repeat(129), "é", "a\tb"];

/** What SQS, or something in its place, may answer to a send. */
export interface SqsAnswer {
  readonly name: string;
  readonly status: number;
  readonly body: string;
}

const queryError = (Code: unknown, Message: unknown) =>
  JSON.stringify({ Error: { Code, Message, Type: "Sender" }, RequestId: "r" });
const jsonError = (type: string, message: string) => JSON.stringify({ __type: `com.amazonaws.sqs#${type}`, message });
const sent = (result: unknown) => JSON.stringify({ SendMessageResponse: { SendMessageResult: result } });
const ids = { MessageId: "1679d985-01f1-4038-a1f2-06e33b95d5a8", SequenceNumber: "18849496460467696128" };

/** Error codes and texts of SQS, as both protocols have them. */
export const sqsErrors: readonly (readonly [code: string, text: string])[] = [
  ["InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1044480 bytes."],
  ["InvalidParameterValue", "Value \"a b\" for parameter MessageDeduplicationId is invalid. Reason: it can't ... 'x'"],
  ["InvalidParameterValue", "Value & for parameter MessageGroupId is invalid."],
  ["InvalidParameterValue", "something else"],
  ["InvalidParameterValueException", "something else"],
  ["MissingParameter", "The request must contain the parameter MessageGroupId."],
  ["MissingParameter", "The request must contain the parameter MessageBody."],
  ["InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA"],
  ["AWS.SimpleQueueService.BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes."],
  ["AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id a repeated."],
  ["AWS.SimpleQueueService.InvalidBatchEntryId", "x"],
  ["AWS.SimpleQueueService.EmptyBatchRequest", "x"],
  ["AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "x"],
  ["RequestThrottled", "Rate exceeded"],
  ["ThrottlingException", "Rate exceeded"],
  ["KmsThrottled", "x"],
  ["RequestLimitExceeded", "x"],
  ["TooManyRequestsException", "x"],
  ["AccessDenied", "Access to the resource https://sqs/ is denied."],
  ["AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."],
  ["InternalFailure", "x"],
  ["ServiceUnavailable", "x"],
];

/** Never a 200, whatever the status. */
export const brokenAnswers: readonly SqsAnswer[] = [
  ...[200, 400, 500].flatMap((status) =>
    sqsErrors.flatMap(([code, text]) => [
      { name: `${status} with ${code}: ${text}`, status, body: queryError(code, text) },
      { name: `${status} with JSON ${code}: ${text}`, status, body: jsonError(code, text) },
    ]),
  ),
  ...[200, 202, 204, 302, 400, 403, 404, 500, 503].flatMap((status) =>
    [
      ["nothing", ""],
      ["HTML", '<html><body class="x">It\'s "down"</body></html>'],
      ["a list", "[]"],
      ["a text", '"SendMessageResponse"'],
      ["a number", "12"],
      ["null", "null"],
      ["an empty object", "{}"],
      ["a null error", queryError(null, null)],
      ["a numeric error", queryError(400, 17)],
      ["nulls", sent(null)],
      ["a text for its result", sent("MessageId")],
      ["no message id", sent({ SequenceNumber: ids.SequenceNumber })],
      ["no sequence number", sent({ MessageId: ids.MessageId })],
      ["an empty message id", sent({ ...ids, MessageId: "" })],
      ["null for its sequence number", sent({ ...ids, SequenceNumber: null })],
      ["a quote in its message id", sent({ ...ids, MessageId: 'a","x":"' })],
      ["no entries", JSON.stringify({ Successful: [], Failed: [] })],
      ["texts for its entries", JSON.stringify({ Successful: "a", Failed: "b" })],
      ["null entries", JSON.stringify({ Successful: [null], Failed: null })],
      ["an entry without ids", JSON.stringify({ Successful: [{ Id: "a" }] })],
      ["an entry without its id", JSON.stringify({ Successful: [ids] })],
      ["a failed entry without its id", JSON.stringify({ Failed: [{ Code: "InternalError", SenderFault: false }] })],
    ].map(([what, body]) => ({ name: `${status} with ${what}`, status, body: body ?? "" })),
  ),
  { name: "202 with a message id", status: 202, body: sent(ids) },
  { name: "500 with a message id", status: 500, body: sent(ids) },
];

/** Answers that say what is in the queue. */
export const soundAnswers: readonly SqsAnswer[] = [
  { name: "a sent message", status: 200, body: sent({ ...ids, MD5OfMessageBody: "x", MD5OfMessageAttributes: null }) },
  {
    name: "a sent batch",
    status: 200,
    body: JSON.stringify({
      Successful: [
        { Id: "a", ...ids, MD5OfMessageBody: "x" },
        { Id: "b-_B", ...ids },
      ],
      Failed: [],
    }),
  },
  {
    name: "a batch in which entries failed",
    status: 200,
    body: JSON.stringify({
      Successful: [{ Id: "ok", ...ids }],
      Failed: sqsErrors.map(([Code, Message], at) => ({ Id: `f${at}`, Code, Message, SenderFault: at % 2 === 0 })),
    }),
  },
  {
    name: "a batch of which SQS took nothing",
    status: 200,
    body: JSON.stringify({ Failed: [{ Id: "a", Code: "InternalError", Message: null }, { Id: "b" }] }),
  },
];
