/** The account that every local ARN and queue URL is of. */
export const LOCAL_ACCOUNT_ID = "000000000000";
