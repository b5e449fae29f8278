import type { Aws } from "./scenario.ts";

/** Calls what emulates AWS. It takes any signature, and reads the service from it. */
export function awsAt(endpoint: string, region: string): Aws {
  return async (service, action, parameters) => {
    const isQuery = service !== "apigateway";
    const [verb, path] = isQuery ? ["POST", "/"] : action.split(" ");
    const response = await fetch(new URL(path ?? "/", endpoint), {
      method: verb ?? "POST",
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=plans/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
        "content-type": isQuery ? "application/x-www-form-urlencoded" : "application/json",
      },
      ...(isQuery ? { body: new URLSearchParams({ Action: action, ...parameters }).toString() } : {}),
      ...(verb === "PATCH" ? { body: JSON.stringify({ patchOperations: [parameters] }) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${service} ${action}: ${response.status} ${text.slice(0, 500)}`);
    return text;
  };
}
