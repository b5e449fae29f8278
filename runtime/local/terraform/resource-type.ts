/** Where the resources "are", since their ARNs and URLs say so. */
export interface Place {
  readonly region: string;
  readonly accountId: string;
  /** `aws` in every region that local mode stands in for. */
  readonly partition: string;
  /** Base URLs: of the queue server, and of the gateway without its stage, e.g. `http://127.0.0.1:41235`. */
  readonly endpoints: { readonly sqs: string; readonly gateway: string };
  /** The value of the API key of this name: made once, the same over restarts. */
  readonly apiKeyValue: (name: string) => string;
}

/** A resource or a data source as its computed attributes see it. */
export interface Subject {
  readonly place: Place;
  /** Ten lower-case letters and digits that stay the same for this address, as API Gateway's ids look. */
  readonly identity: string;
  /** 64 hexadecimal digits that stay the same for this address: what other services' ids are made of. */
  readonly digest: string;
  /** An argument or another computed attribute, as text. */
  readonly text: (name: string) => string;
  /** An argument as it was emitted; undefined when it was not. */
  readonly given: (name: string) => unknown;
  /** A computed attribute of the resource of this type whose `id` is this one. */
  readonly other: (type: string, id: string, attribute: string) => string;
}

/** A computed attribute that is text. */
export type Attribute = (subject: Subject) => string;

/** What AWS would compute, by name, as far as a reference may ask for it. */
export type Computed = Readonly<Record<string, (subject: Subject) => unknown>>;

/** What local mode knows of a resource type. */
export interface ResourceType {
  readonly computed: Computed;
  /** Why local mode reads this type and does nothing with it; absent where a part of local mode runs it. */
  readonly ignoredBecause?: string;
}

/** Resource types by their names in Terraform. */
export type ResourceTypes = Readonly<Record<string, ResourceType>>;

/** `arn:aws:<service>:<region>:<account>:<resource>`. */
export const arn = (service: string, resource: Attribute): Attribute => {
  return (subject) =>
    `arn:${subject.place.partition}:${service}:${subject.place.region}:${subject.place.accountId}:${resource(subject)}`;
};

/** The ARN of a resource of a service that is in no region, or in no account: `arn:aws:<service>::<account, if any>:<resource>`. */
export const globalArn = (service: string, resource: Attribute, owner: "account" | "nobody" = "account"): Attribute => {
  return (subject) =>
    `arn:${subject.place.partition}:${service}::${owner === "account" ? subject.place.accountId : ""}:${resource(subject)}`;
};

/** An argument that another name repeats. */
export const argument = (name: string): Attribute => {
  return (subject) => subject.text(name);
};

/** An id as API Gateway gives them. */
export const identity: Attribute = (subject) => subject.identity;

/** An id as EC2 gives them, e.g. `vpc-0a1b2c3d4e5f60718`. */
export const ec2Id = (prefix: string): Attribute => {
  return (subject) => `${prefix}-${subject.digest.slice(0, 17)}`;
};

/** An id as KMS, ACM and others give them. */
export const uuid: Attribute = ({ digest }) =>
  [digest.slice(0, 8), digest.slice(8, 12), digest.slice(12, 16), digest.slice(16, 20), digest.slice(20, 32)].join("-");

/** Of a type that nothing refers to by more than its id. */
export const addressOnly = { id: identity } as const;
