import { startWatched } from "./starts.ts";
import { WITH_USERS } from "./users.ts";

Deno.test(
  "no moment of a broker's start lets another user in, whatever the umask is: 500 starts",
  WITH_USERS,
  async () => {
    await startWatched(500);
  },
);
