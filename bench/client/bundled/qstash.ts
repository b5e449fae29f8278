export { Client } from "@upstash/qstash";
