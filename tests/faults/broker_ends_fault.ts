import { clientsKilled, ended, killed, replaced, stopped, tell } from "./broker_ends.ts";

Deno.test("broker that is killed a hundred times, and clients at random: everybody comes back, and gaps are exact", async () => {
  tell(7, "broker killed 100 times, and 50 clients", await killed(100), "nothing lost, gaps exact");
});

Deno.test("fifty clients that are killed under load cost nobody else anything", async () => {
  tell(7, "50 clients killed, broker not", await clientsKilled(25), "nothing lost");
});

Deno.test("broker that is stopped for 30 s loses nothing and closes nobody", async () => {
  tell(8, "broker stopped for 30 s", await stopped(30_000), "nothing lost, nobody closed");
});

Deno.test("broker that is told to end under load loses nothing that it accepted, and ends within 10 s whoever hinders it", async () => {
  tell(8, "broker ended under load 10 times", await ended(10, false), "nothing accepted lost");
  tell(
    8,
    "the same, hindered by one who never reads and one who never answers",
    await ended(2, true),
    "nothing accepted lost",
  );
});

Deno.test("broker whose successor is started while it ends leaves it its sockets, 20 times", async () => {
  tell(8, "overlapping restart 20 times", await replaced(20), "new sockets survive, nothing accepted lost");
});
