import type { Integration } from "./integration.ts";
import type { IntegrationResponses } from "./integration-response.ts";
import type { Template } from "./template/template.ts";

/** One method of one path. */
export interface Route {
  readonly resourceId: string;
  /** e.g. `/queue-1/batch` or `/{path+}` */
  readonly resourcePath: string;
  readonly httpMethod: string;
  readonly apiKeyRequired: boolean;
  /** By content type; a content type without one is a 415. */
  readonly requestTemplates: ReadonlyMap<string, Template>;
  /** By content type: whether a parsed body satisfies the model. */
  readonly models: ReadonlyMap<string, (document: unknown) => boolean>;
  readonly integration: Integration;
  readonly integrationResponses: IntegrationResponses;
}

/** A route that takes a request, and what its path parameter stands for there, as it was sent. */
export interface Match {
  readonly route: Route;
  readonly pathParameters: ReadonlyMap<string, string>;
}

/** The routes of an API, found as API Gateway does: a fixed path before a greedy one, the longer greedy one before the shorter. */
export class Routes {
  /** By `<method> <path>`, e.g. `POST /queue-1`. */
  readonly #fixed: ReadonlyMap<string, Route>;
  readonly #greedy: readonly { readonly route: Route; readonly before: string; readonly name: string }[];

  constructor(routes: readonly Route[]) {
    const parts = routes.map((route) => ({ route, greedy: /^(.*\/)\{([^}]+)\+\}$/.exec(route.resourcePath) }));
    this.#fixed = new Map(
      parts
        .filter(({ greedy }) => greedy === null)
        .map(({ route }) => [`${route.httpMethod} ${route.resourcePath}`, route]),
    );
    this.#greedy = parts
      .flatMap(({ route, greedy }) =>
        greedy === null ? [] : [{ route, before: greedy[1] ?? "", name: greedy[2] ?? "" }],
      )
      .toSorted((one, other) => other.before.length - one.before.length);
  }

  /** @param path without the stage, e.g. `/queue-1` */
  find(httpMethod: string, path: string): Match | undefined {
    const route = this.#fixed.get(`${httpMethod} ${path}`);
    if (route !== undefined) return { route, pathParameters: new Map() };
    const greedy = this.#greedy.find(
      ({ route: { httpMethod: takes }, before }) =>
        takes === httpMethod && path.startsWith(before) && path.length > before.length,
    );
    if (greedy === undefined) return undefined;
    return { route: greedy.route, pathParameters: new Map([[greedy.name, path.slice(greedy.before.length)]]) };
  }
}
