export { Producer } from "sqs-producer";
