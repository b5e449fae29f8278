import { all, argumentsOf, rewrite, rewriteJson, type Scenario, set, without } from "../scenario.ts";

const dev = { deployment: "dev", parts: ["gateway"] } as const;
const prod = { deployment: "prod", parts: ["gateway"] } as const;

const API = "aws_api_gateway_rest_api";
const DEPLOYMENT = "aws_api_gateway_deployment";
const METHOD = "aws_api_gateway_method";
const INTEGRATION = "aws_api_gateway_integration";
const ANSWER = "aws_api_gateway_integration_response";
const STAGE = "aws_api_gateway_stage";

/** The deployment's triggers, as a change of a route makes them: an edit of what was emitted comes after they were computed. */
const republish = set(DEPLOYMENT, "stage_deployment", { triggers: { published: "another" } });

const [kimalarm, devices] = ["kimalarm", "devices"];

export const gatewayScenarios: readonly Scenario[] = [
  {
    ...dev,
    name: "key-retired",
    how: "key a of producer kimalarm, which has key b as well, taken out of main.ts",
    configure: (base) => withKeys(base, ["b"]),
    rules: { "producer-locked-out": "medium" },
  },
  {
    ...dev,
    name: "producer-removed",
    how: "producer devices, which has one key, taken out of main.ts",
    configure: (base) => ({ ...base, producers: base.producers.filter(({ name }) => name !== devices) }),
    rules: { "producer-locked-out": "high" },
  },
  {
    ...dev,
    name: "key-switched-off-for-producer",
    how: "key a of producer kimalarm switched off",
    configure: (base) => withKeys(base, ["b", { generation: "a", enabled: false }]),
    rules: { "producer-locked-out": "medium" },
  },
  {
    ...dev,
    name: "key-out-of-its-plan",
    how: "the usage-plan key of producer devices taken out of what was emitted; its API key stays",
    edit: without("aws_api_gateway_usage_plan_key.producers_devices_plan-key-a"),
    rules: { "producer-locked-out": "high" },
  },
  {
    ...dev,
    name: "key-replaced",
    how: "terraform plan -replace of the API key of producer devices",
    options: ["-replace=aws_api_gateway_api_key.producers_devices_key-a"],
    rules: { "producer-locked-out": "high" },
  },
  {
    ...dev,
    name: "key-added",
    how: "key c of producer kimalarm added, to be used from now on",
    configure: (base) => withKeys(base, ["c", "b", "a"]),
    rules: {},
    nearMissOf: ["producer-locked-out"],
  },
  {
    ...dev,
    name: "stage-out-of-plan",
    how: "the usage plan of producer devices opens no stage",
    edit: set("aws_api_gateway_usage_plan", "producers_devices_plan", { api_stages: [] }),
    rules: { "producer-locked-out": "high" },
  },
  {
    ...dev,
    name: "producer-throttled",
    how: "producer kimalarm may send 100 a second instead of 500",
    configure: (base) => withLimits(base, { rateLimit: 100 }),
    rules: { "producer-throttled": "medium" },
  },
  {
    ...dev,
    name: "producer-let-loose",
    how: "producer kimalarm may send 2,000 a second instead of 500, and 10,000,000 a month instead of 5,000,000",
    configure: (base) => withLimits(base, { rateLimit: 2_000, quota: { limit: 10_000_000, period: "MONTH" } }),
    rules: {},
    nearMissOf: ["producer-throttled"],
  },
  {
    ...dev,
    name: "stage-throttled",
    how: "all producers together may send 2,000 a second instead of 5,000",
    configure: (base) => ({ ...base, gateway: { throttle: { rateLimit: 2_000, burstLimit: 2_500 } } }),
    rules: { "producer-throttled": "medium" },
  },
  {
    ...dev,
    name: "route-without-key",
    how: "POST /queue-1 asks for no API key",
    edit: all(set(METHOD, "queue-1_send_method", { api_key_required: false }), republish),
    rules: { "key-not-required": "high" },
  },
  {
    ...dev,
    name: "browsers-let-in",
    how: "pages of one origin may call the gateway, which adds OPTIONS methods without a key",
    configure: (base) => ({ ...base, gateway: { ...base.gateway, corsOrigins: ["https://app.kimalarm.example"] } }),
    rules: {},
    nearMissOf: [
      "key-not-required",
      "route-lost",
      "change-not-published",
      "deployment-without-change",
      "refusal-looks-accepted",
    ],
  },
  {
    ...dev,
    name: "route-changed-unpublished",
    how: "the template of POST /queue-1 changed in what was emitted, and the deployment's triggers not",
    edit: changeTemplate(INTEGRATION, "queue-1_send_integration", "request_templates"),
    rules: { "change-not-published": "high" },
  },
  {
    ...dev,
    name: "route-changed",
    how: "the template of POST /queue-1 changed, and the deployment's triggers with it",
    edit: all(changeTemplate(INTEGRATION, "queue-1_send_integration", "request_templates"), republish),
    rules: {},
    nearMissOf: [
      "change-not-published",
      "deployment-without-change",
      "deployment-gap",
      "deployment-not-served",
      "route-to-other-queue",
    ],
  },
  {
    ...dev,
    name: "api-described",
    how: "another description of the REST API and of a model, which no deployment publishes",
    edit: all(
      set(API, "api_rest", { description: "strict order" }),
      set("aws_api_gateway_model", "api_SendMessage", { description: "one message" }),
    ),
    rules: {},
    nearMissOf: ["change-not-published", "deployment-without-change", "api-lost"],
  },
  {
    ...dev,
    name: "deployment-without-change",
    how: "the deployment's triggers changed, and nothing else",
    edit: republish,
    rules: { "deployment-without-change": "medium" },
  },
  {
    ...dev,
    name: "deployment-not-served",
    how: "a route changed and published, and the stage told to ignore another deployment",
    edit: all(
      changeTemplate(INTEGRATION, "queue-1_send_integration", "request_templates"),
      republish,
      set(STAGE, "stage_stage", { lifecycle: { ignore_changes: ["deployment_id"] } }),
    ),
    rules: { "deployment-not-served": "high" },
  },
  {
    ...dev,
    name: "deployment-gap",
    how: "a route changed and published, and the deployment without create_before_destroy",
    edit: all(changeTemplate(INTEGRATION, "queue-1_send_integration", "request_templates"), republish, (document) => {
      delete argumentsOf(document, DEPLOYMENT, "stage_deployment")["lifecycle"];
    }),
    rules: { "deployment-gap": "medium" },
  },
  {
    ...dev,
    name: "route-removed",
    how: "queue-2 taken out of main.ts",
    configure: (base) => ({ ...base, queues: base.queues.slice(0, 1) }),
    rules: { "route-lost": "high", "permissions-lost": "medium" },
  },
  {
    ...dev,
    name: "route-to-other-queue",
    how: "POST /queue-1 leads to queue-2",
    edit: all(
      rewrite(INTEGRATION, "queue-1_send_integration", "uri", (uri) => uri.replace("queue-1", "queue-2")),
      republish,
    ),
    rules: { "route-to-other-queue": "critical" },
  },
  {
    ...dev,
    name: "refusal-looks-accepted",
    how: "the answer 200 of POST /queue-1 without its selection pattern",
    edit: all((document) => {
      delete argumentsOf(document, ANSWER, "queue-1_send_answer-200")["selection_pattern"];
      argumentsOf(document, ANSWER, "queue-1_send_answer-502")["selection_pattern"] = "5\\d{2}";
    }, republish),
    rules: { "refusal-looks-accepted": "critical" },
  },
  {
    ...dev,
    name: "error-looks-accepted",
    how: "the gateway answers with 200 where it fails itself",
    edit: all(set("aws_api_gateway_gateway_response", "answers_default-5xx", { status_code: "200" }), republish),
    rules: { "refusal-looks-accepted": "critical" },
  },
  {
    ...dev,
    name: "batch-route-to-other-queue",
    how: "the template of POST /queue-1/batch names queue-2",
    edit: all((document) => {
      const values = argumentsOf(document, INTEGRATION, "queue-1_batch_integration");
      values["request_templates"] = JSON.parse(
        JSON.stringify(values["request_templates"]).replaceAll("queue-1_queue_url", "queue-2_queue_url"),
      );
    }, republish),
    rules: { "route-to-other-queue": "critical" },
  },
  {
    ...dev,
    name: "answer-matches-more",
    how: "the answer 200 of POST /queue-1 for every 2xx of SQS's",
    edit: all(set(ANSWER, "queue-1_send_answer-200", { selection_pattern: "2\\d{2}" }), republish),
    rules: {},
    nearMissOf: ["refusal-looks-accepted", "change-not-published"],
  },
  {
    ...dev,
    name: "api-replaced",
    how: "terraform plan -replace of the REST API",
    options: [`-replace=${API}.api_rest`],
    rules: { "api-lost": "high" },
    notJudged: ["producer-locked-out"],
  },
  {
    ...dev,
    name: "stage-renamed",
    how: "another stage in main.ts",
    configure: (base) => ({ ...base, stage: "v2" }),
    rules: { "stage-lost": "high", "producer-locked-out": "high" },
  },
  {
    ...dev,
    name: "stage-traced",
    how: "tracing: true",
    configure: (base) => ({ ...base, tracing: true }),
    rules: {},
    nearMissOf: ["stage-lost"],
  },
  {
    ...prod,
    name: "domain-renamed",
    how: "another domain in main.ts",
    configure: (base) =>
      withDomain(base, { name: "messages.kimalarm.example", zone: "kimalarm.example", createZone: true }),
    rules: { "domain-lost": "high" },
  },
  {
    ...prod,
    name: "aws-address-kept",
    how: "keepAwsAddress: true",
    configure: (base) =>
      withDomain(base, {
        name: "fifo.kimalarm.example",
        zone: "kimalarm.example",
        createZone: true,
        keepAwsAddress: true,
      }),
    rules: {},
    nearMissOf: ["address-switched-off", "domain-lost", "api-lost"],
  },
  {
    ...dev,
    name: "aws-address-off",
    how: "disable_execute_api_endpoint true, and published",
    edit: all(set(API, "api_rest", { disable_execute_api_endpoint: true }), republish),
    rules: { "address-switched-off": "high" },
  },
  {
    ...prod,
    name: "tls-weakened",
    how: "security_policy TLS_1_0 of the domain",
    edit: set("aws_api_gateway_domain_name", "domain_name", { security_policy: "TLS_1_0" }),
    rules: { "tls-weakened": "high" },
  },
  {
    ...prod,
    name: "domain-led-elsewhere",
    how: "the domain's records lead to another address",
    edit: (document) => {
      for (const name of ["domain_record-a", "domain_record-aaaa"])
        argumentsOf(document, "aws_route53_record", name)["alias"] = {
          name: "d-0123456789.execute-api.ap-northeast-2.amazonaws.com",
          zone_id: "Z20JF4UZKIW1U8",
          evaluate_target_health: false,
        };
    },
    rules: { "domain-moved": "high" },
  },
  {
    ...prod,
    name: "ipv6-record-removed",
    how: "the domain's AAAA record taken out of what was emitted",
    edit: without("aws_route53_record.domain_record-aaaa"),
    rules: { "domain-lost": "medium" },
  },
  {
    ...prod,
    name: "domain-tagged",
    how: "another tag of the domain and of the web ACL",
    edit: all(
      set("aws_api_gateway_domain_name", "domain_name", { tags: { Team: "alarms" } }),
      set("aws_wafv2_web_acl", "firewall_acl", { tags: { Team: "alarms" } }),
    ),
    rules: {},
    nearMissOf: ["tls-weakened", "domain-lost", "domain-moved", "firewall-off"],
  },
  {
    ...prod,
    name: "firewall-removed",
    how: "no firewall in main.ts",
    configure: (base) => ({ ...base, gateway: { ...base.gateway, firewall: undefined } }),
    rules: { "firewall-off": "medium" },
  },
  {
    ...prod,
    name: "firewall-tightened",
    how: "an address may send half as much",
    configure: (base) => ({ ...base, gateway: { ...base.gateway, firewall: { requestsPerAddress: 50_000 } } }),
    rules: { "producer-throttled": "medium" },
  },
  {
    ...prod,
    name: "firewall-eased",
    how: "an address may send twice as much",
    configure: (base) => ({ ...base, gateway: { ...base.gateway, firewall: { requestsPerAddress: 200_000 } } }),
    rules: {},
    nearMissOf: ["firewall-off", "producer-throttled"],
  },
  {
    ...dev,
    name: "sources-limited",
    how: "allowedSources with one range",
    configure: (base) => ({ ...base, gateway: { ...base.gateway, allowedSources: ["203.0.113.0/24"] } }),
    rules: { "refusal-gained": "high" },
    nearMissOf: ["public-principal", "wildcard-gained"],
  },
  {
    ...dev,
    name: "disabled-key-retired",
    how: "somebody switched key a of producer kimalarm off past Terraform, and then it was taken out of main.ts",
    configure: (base) => withKeys(base, ["b"]),
    outside: {
      act: (aws) => switchKey(aws, "dev-kimalarm-a", "false"),
      undo: (aws) => switchKey(aws, "dev-kimalarm-a", "true"),
    },
    rules: { "producer-locked-out": "medium" },
  },
  {
    ...dev,
    name: "sender-may-do-all",
    how: "the role of the gateway may do everything with the queues",
    edit: rewriteJson("aws_iam_role_policy", "api_send_policy", "policy", (policy) => ({
      ...policy,
      Statement: [{ Effect: "Allow", Action: "sqs:*", Resource: "*" }],
    })),
    rules: { "wildcard-gained": "high" },
  },
  {
    ...dev,
    name: "gateway-first-applied",
    how: "the gateway of a deployment whose messaging stack is there and nothing else",
    options: ["-state=none.tfstate"],
    rules: {},
    nearMissOf: ["change-not-published", "deployment-without-change", "producer-locked-out", "key-not-required"],
  },
  {
    ...dev,
    name: "key-switched-off-by-hand",
    how: "somebody switched the key of producer devices off past Terraform; the plan puts it back",
    outside: {
      act: (aws) => switchKey(aws, "dev-devices-a", "false"),
      undo: (aws) => switchKey(aws, "dev-devices-a", "true"),
    },
    rules: { "producer-locked-out": "high" },
  },
];

type Base = Parameters<NonNullable<Scenario["configure"]>>[0];
type Producer = Base["producers"][number];

function withProducer(base: Base, values: Partial<Producer>): Base {
  const producers = base.producers.map((producer) =>
    producer.name === kimalarm ? { ...producer, ...values } : producer,
  );
  return { ...base, producers };
}

function withKeys(base: Base, keys: NonNullable<Producer["keys"]>): Base {
  return withProducer(base, { keys });
}

function withLimits(base: Base, values: Pick<Producer, "rateLimit" | "quota">): Base {
  return withProducer(base, values);
}

function withDomain(base: Base, domain: NonNullable<NonNullable<Base["gateway"]>["domain"]>): Base {
  return { ...base, gateway: { ...base.gateway, domain } };
}

function changeTemplate(type: string, name: string, argument: string): NonNullable<Scenario["edit"]> {
  return (document) => {
    const values = argumentsOf(document, type, name);
    const templates = Object(values[argument]);
    values[argument] = { ...templates, "application/json": `## changed\n${templates["application/json"]}` };
  };
}

type Aws = Parameters<NonNullable<Scenario["outside"]>["act"]>[0];

async function switchKey(aws: Aws, key: string, enabled: string): Promise<void> {
  const { item: items } = JSON.parse(await aws("apigateway", "GET /apikeys", {}));
  const found = items.find(({ name }: { name: string }) => name === key);
  await aws("apigateway", `PATCH /apikeys/${found.id}`, { op: "replace", path: "/enabled", value: enabled });
}
