/**
 * Every statement that allows an action on `"*"`, or all actions of a service, by its `Sid`, and why AWS leaves no choice. No
 * other statement of the stacks has a wildcard: `ServiceRole` takes these from here, and a test looks at all that is emitted.
 */
export const WILDCARD_STATEMENTS = {
  TraceRequests: {
    actions: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    reason: "X-Ray has no resource that these actions could be limited to (Service Authorization Reference, AWS X-Ray)",
  },
} as const satisfies Readonly<Record<string, { readonly actions: readonly string[]; readonly reason: string }>>;

export type WildcardStatement = keyof typeof WILDCARD_STATEMENTS;

/** Every policy of AWS's own that is attached, by its name, and why it is none of ours. */
export const MANAGED_POLICIES = {} as const satisfies Readonly<
  Record<string, { readonly arn: string; readonly reason: string }>
>;

export type ManagedPolicy = keyof typeof MANAGED_POLICIES;
