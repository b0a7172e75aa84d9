/* Drives a broker with messages that were built before, counts what comes out, and prints one line of JSON.
 *
 *   cc -O2 -o driver driver.c
 *   driver PROTOCOL CASE --address ADDRESS [--OPTION VALUE]...
 *
 * PROTOCOL  ipc, nats, redis, mqtt; relay (a child that only copies frames,
 *           which is what this driver and the kernel can do at most; takes no address)
 * ADDRESS   unix:PATH or tcp:HOST:PORT; "%s" in PATH stands for the channel's name
 *
 * CASE        options                              measures
 * throughput  --publishers --listeners --count     events/s from the first write to the last delivery
 * pairs       --pairs --count                      the same, each pair on a channel of its own
 * single      --publishers --count                 each publisher sends when its last message came back
 * pingpong    --count                              one event at a time, microseconds from write to delivery
 * requests    --requesters --count                 each requester asks when its last reply came
 * idle        --count                              nothing: opens that many listeners, says so, and waits
 * full        --listeners                          nothing: sends to listeners that do not read until no more is taken
 *
 * The last two say so in one line and hold their connections until standard input ends.
 *
 * --size BYTES of a payload; --channel NAME (pairs append 0, 1, ...); --window N: publishers are at most N messages ahead
 * of the slowest listener, for brokers that drop; --check: look at each message and its payload, not at two a read.
 *
 * What arrives is not parsed: the units of a run have one size, so the driver looks at where the first and the last whole
 * one of a read should begin, and at their sequence numbers if the protocol has them. Anything unexpected ends the run. */
#include "connections.h"
#include "relay.h"
#include "cases.h"

static uint64_t number(const char *option, const char *text) {
  char *end;
  double value = text ? strtod(text, &end) : 0; /* 1e6 is welcome */
  if (!text || *end || value < 1) fail("%s %s: write a number of at least 1", option, text ? text : "");
  return value;
}

int main(int count, char **arguments) {
  if (count < 3) fail("usage: driver PROTOCOL CASE --address ADDRESS [--OPTION VALUE]..., see the head of driver.c");
  for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
    if (!strcmp(protocols[i].name, arguments[1])) run.protocol = &protocols[i];
  }
  if (!run.protocol) fail("no protocol %s", arguments[1]);
  run.name = arguments[2];
  int latency = !strcmp(run.name, "pingpong"), asks = !strcmp(run.name, "requests"), alone = !strcmp(run.name, "single");
  run.count = latency || asks ? 50000 : alone ? 200000 : 5000000;
  for (int i = 3; i < count; i++) {
    const char *option = arguments[i];
    if (!strcmp(option, "--check")) {
      run.check = 1;
      continue;
    }
    const char *value = ++i < count ? arguments[i] : NULL;
    if (!strcmp(option, "--address") && value) run.address = value;
    else if (!strcmp(option, "--channel") && value) run.channel = value;
    else if (!strcmp(option, "--publishers")) run.publishers = number(option, value);
    else if (!strcmp(option, "--listeners")) run.listeners = number(option, value);
    else if (!strcmp(option, "--pairs")) run.pairs = number(option, value);
    else if (!strcmp(option, "--requesters")) run.requesters = number(option, value);
    else if (!strcmp(option, "--size")) run.size = number(option, value);
    else if (!strcmp(option, "--count")) run.count = number(option, value);
    else if (!strcmp(option, "--window")) run.window = number(option, value);
    else fail("no option %s", option);
  }
  if (!run.address != !strcmp(run.protocol->name, "relay")) fail("--address is missing, or relay does not take one");
  if (run.size < 4 || run.size > 1 << 20) fail("--size %zu: 4 bytes to 1 MiB", run.size);
  signal(SIGPIPE, SIG_IGN);
  input = malloc(CARRY + BLOCK);
  events = epoll_create1(EPOLL_CLOEXEC);
  times = malloc((run.count * 2 + 16) * sizeof *times);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (!strcmp(run.name, "throughput")) throughput(0);
  else if (!strcmp(run.name, "pairs")) throughput(run.pairs);
  else if (alone) single();
  else if (latency) pingpong();
  else if (asks) requests();
  else if (!strcmp(run.name, "idle")) idle();
  else if (!strcmp(run.name, "full")) full();
  else fail("no case %s", run.name);
  return 0;
}
