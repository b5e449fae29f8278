import type { Metric, Statistic } from "./metrics.ts";

// The part of CloudWatch's "Dashboard Body Structure and Syntax" that the dashboard uses.

/** A dashboard is so many units wide. */
const COLUMNS = 24;

/** Each section's words stand on its left, so wide, and its graphs beside them. */
const WORDS = 6;

/** Height of a row of graphs. */
const ROW = 6;

/** A line in a graph: a metric, or metric math over the lines that have an `id`. */
type Line =
  | {
      readonly metric: Metric;
      readonly statistic: Statistic;
      readonly label: string;
      readonly id?: string;
      readonly hidden?: boolean;
    }
  | { readonly expression: string; readonly label: string; readonly id: string };

export interface Graph {
  /** What it shows, in which unit. */
  readonly title: string;
  readonly lines: readonly Line[];
  /** What a point is made of, in seconds. @default 60 */
  readonly every?: number;
}

/** A hop of the path: words, and rows of graphs. */
export interface Section {
  readonly words: string;
  readonly rows: readonly (readonly Graph[])[];
}

interface DashboardParts {
  readonly region: string;
  readonly head: { readonly words: string; readonly height: number };
  readonly alarms: { readonly title: string; readonly arns: readonly string[]; readonly height: number };
  readonly sections: readonly Section[];
}

/** The dashboard's body: the head, then the alarms' state, then one section below the other. */
export function dashboardBody({ region, head, alarms, sections }: DashboardParts): string {
  const widgets: object[] = [
    text(head.words, { x: 0, y: 0, width: COLUMNS, height: head.height }),
    {
      type: "alarm",
      x: 0,
      y: head.height,
      width: COLUMNS,
      height: alarms.height,
      // Raised ones first.
      properties: { title: alarms.title, alarms: alarms.arns, sortBy: "stateUpdatedTimestamp" },
    },
  ];
  let y = head.height + alarms.height;
  for (const { words, rows } of sections) {
    widgets.push(text(words, { x: 0, y, width: WORDS, height: ROW * rows.length }));
    for (const graphs of rows) {
      const width = (COLUMNS - WORDS) / graphs.length;
      for (const [index, each] of graphs.entries())
        widgets.push(graph(each, region, { x: WORDS + index * width, y, width, height: ROW }));
      y += ROW;
    }
  }
  return JSON.stringify({ widgets });
}

/** In units of the grid. */
interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function text(markdown: string, place: Place): object {
  return { type: "text", ...place, properties: { markdown } };
}

function graph({ title, lines, every = 60 }: Graph, region: string, place: Place): object {
  return {
    type: "metric",
    ...place,
    properties: {
      title,
      view: "timeSeries",
      region,
      period: every,
      metrics: lines.map((line) => ("expression" in line ? [{ ...line }] : metricLine(line))),
      yAxis: { left: { min: 0, showUnits: false } },
    },
  };
}

function metricLine({ metric, statistic, label, id, hidden }: Extract<Line, { metric: Metric }>): unknown[] {
  const options = {
    stat: statistic,
    label,
    ...(id === undefined ? {} : { id }),
    ...(hidden ? { visible: false } : {}),
  };
  return [metric.namespace, metric.name, ...Object.entries(metric.dimensions).flat(), options];
}
