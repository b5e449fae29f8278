import { serve } from "./serve.ts";

await serve(["SIGTERM", "SIGINT"]);
