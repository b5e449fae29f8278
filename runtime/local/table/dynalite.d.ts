declare module "dynalite" {
  import type { Server } from "node:http";

  /** The part of dynalite's options that local mode sets. */
  interface DynaliteOptions {
    /** Folder of the LevelDB store. */
    readonly path: string;
    /** How long a new table stays in CREATING, in milliseconds. */
    readonly createTableMs: number;
  }
  export default function dynalite(options: DynaliteOptions): Server;
}
