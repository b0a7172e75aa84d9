import { assertIs } from "./testing.ts";
import { closest } from "./suggest.ts";

Deno.test("closest() suggests what was most likely meant, and nothing far-fetched", () => {
  const known = ["socket_dir", "max_message", "queue", "history", "stall_timeout", "idle_exit", "log"];
  const cases: [string, string | undefined][] = [
    ["quue", "queue"],
    ["queeu", "queue"],
    ["Queue", "queue"],
    ["socket-dir", "socket_dir"],
    ["socketdir", "socket_dir"],
    ["maxmessage", "max_message"],
    ["queue_bytes", "queue"],
    ["stall", "stall_timeout"],
    ["logs", "log"],
    ["x", undefined],
    ["port", undefined],
    ["", undefined],
    ["q".repeat(1_000_000), undefined],
  ];
  for (const [name, expected] of cases) assertIs(closest(name, known), expected, name.slice(0, 20));
});
