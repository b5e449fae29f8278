import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Weather } from "./answers.ts";

/** The backend's process, and its life. */
export interface SoakBackend {
  /** Of the backend itself; undefined before the first start. */
  readonly port: number | undefined;
  /** Deliveries that it answered, over all its lives, by answer. */
  readonly answers: ReadonlyMap<string, number>;
  start(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  setWeather(weather: Weather): void;
  killNow(): void;
}

/** @param options.file where it writes every delivery down */
export function createSoakBackend(options: {
  readonly file: string;
  readonly seed: number;
  readonly onEnd: (what: string) => void;
}): SoakBackend {
  const answers = new Map<string, number>();
  let child: ChildProcess | undefined;
  let gone: Promise<void> = Promise.resolve();
  let port: number | undefined;
  let starts = 0;
  let weather: Weather = "calm";
  let wanted = false;

  return {
    get port() {
      return port;
    },
    answers,
    async start() {
      starts += 1;
      wanted = true;
      const started = spawn(process.execPath, [join(import.meta.dirname, "backend.ts")], {
        env: {
          PORT: String(port ?? 0),
          FILE: options.file,
          SEED: String(options.seed),
          START: String(starts),
          WEATHER: weather,
        },
        stdio: ["ignore", "inherit", "inherit", "ipc"],
      });
      child = started;
      gone = new Promise((resolve) => {
        started.once("exit", (code, signal) => {
          child = undefined;
          resolve();
          if (wanted) options.onEnd(`the backend ended by itself (${signal ?? code})`);
        });
      });
      const url = await new Promise<unknown>((resolve) => {
        started.once("message", resolve);
        void gone.then(() => resolve(undefined));
      });
      if (typeof url !== "string") throw new Error("the backend did not start");
      port = Number(new URL(url).port);
      started.on("message", (answer) => {
        answers.set(String(answer), (answers.get(String(answer)) ?? 0) + 1);
      });
      // It may have changed meanwhile.
      started.send(weather);
    },
    async kill() {
      wanted = false;
      child?.kill("SIGKILL");
      await gone;
    },
    setWeather(now) {
      weather = now;
      if (child?.connected === true) child.send(now);
    },
    killNow() {
      child?.kill("SIGKILL");
    },
  };
}
