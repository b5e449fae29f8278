import { createConsumer } from "./consumer.ts";
import { readEnvironment } from "./environment.ts";

export const handler = createConsumer(readEnvironment(process.env), (line) => process.stdout.write(line));
