import { clientsKilled, ended, killed, replaced, stopped, tell } from "./broker_ends.ts";

Deno.test("broker that is killed, and clients, again and again: everybody comes back, and gaps are exact", async () => {
  tell(7, "broker killed 4 times, and 2 clients", await killed(4), "nothing lost, gaps exact");
});

Deno.test("clients that are killed under load cost nobody else anything", async () => {
  tell(7, "8 clients killed, broker not", await clientsKilled(4), "nothing lost");
});

Deno.test("broker that is stopped for longer than anybody may wait loses nothing and closes nobody", async () => {
  tell(8, "broker stopped for 6 s", await stopped(6_000), "nothing lost, nobody closed");
});

Deno.test("broker that is told to end under load loses nothing that it accepted", async () => {
  tell(8, "broker ended under load 2 times", await ended(2, false), "nothing accepted lost");
});

Deno.test("broker whose successor is started while it ends leaves it its sockets", async () => {
  tell(8, "overlapping restart 4 times", await replaced(4), "new sockets survive, nothing accepted lost");
});
