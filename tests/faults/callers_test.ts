import { verifyCallers } from "./callers.ts";
import { WITH_USERS } from "./users.ts";

Deno.test(
  "no connection is taken for another, whoever connects at the same time: 6,000 connects",
  WITH_USERS,
  async () => {
    await verifyCallers(6_000);
  },
);
