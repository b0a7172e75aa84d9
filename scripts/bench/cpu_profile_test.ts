import { selfTimes } from "./cpu_profile.ts";

const node = (id: number, functionName: string, url = "file:///x/router.js") => ({
  id,
  callFrame: { functionName, url, lineNumber: 9, columnNumber: 4 },
});

Deno.test("selfTimes() adds up samples of a function, without idle time", () => {
  const times = selfTimes({
    nodes: [node(1, "route"), node(2, "write"), node(3, "route"), node(4, "(idle)", "")],
    samples: [1, 2, 3, 4],
    timeDeltas: [1000, 1000, 2000, 90_000],
  });
  const text = times.map(({ name, place, self_ms, share }) => `${name} ${place} ${self_ms} ${share}`).join("\n");
  if (text !== "route router.js:10:5 3 0.75\nwrite router.js:10:5 1 0.25") throw new Error(text);
});
