// Why a type is read and not run: one line of the start for each, with the types that it holds for.

export const PERMISSIONS_UNCHECKED =
  "permissions: only the gateway's to send to its queues are checked here; AWS checks all of them";
export const LOGS_ARE_FILES = "logs: the data folder's logs/ takes them, without retention";
export const METRICS_ARE_LINES =
  "metrics, alarms and their mails: what they would be made of stands in the data folder's logs/";
export const NOT_ENCRYPTED = "encryption at rest: the data folder is as private as the machine";
export const ONE_ADDRESS = "network: all of it is on 127.0.0.1";
export const OWN_PROCESS = "machines: the response server is a process of this one";
export const NO_HOST_NAME = "host names and TLS: the gateway is plain http on 127.0.0.1";
export const ONE_CALLER = "firewall: every request comes from this machine";
