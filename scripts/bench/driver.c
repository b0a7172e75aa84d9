/* Drives a broker with messages that were built before, counts what comes out, and prints one line of JSON.
 *
 *   cc -O2 -o driver driver.c
 *   driver PROTOCOL CASE --address ADDRESS [--OPTION VALUE]...
 *
 * PROTOCOL  ipc, nats, redis, mqtt; sketch (ipc's frames without a handshake); relay (a child that only copies frames,
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
 * of the slowest listener, for brokers that drop; --check: look at each message instead of two per read.
 *
 * What arrives is not parsed: the units of a run have one size, so the driver looks at where the first and the last whole
 * one of a read should begin, and at their sequence numbers if the protocol has them. Anything unexpected ends the run. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "protocols.h"

enum { BLOCK = 1 << 18, CARRY = 128, TURN = 1 << 14, CONNECTIONS_MAX = 20000, STALL_MS = 10000 };

static struct {
  const struct protocol *protocol;
  const char *name, *address, *channel;
  int publishers, listeners, pairs, requesters, check;
  size_t size;
  uint64_t count, window;
} run = { .channel = "bench", .publishers = 1, .listeners = 1, .pairs = 1, .requesters = 1, .size = 16 };

struct connection {
  int fd, index;
  enum role role;
  struct unit unit;
  /* In: what is left of the unit being read, and whether it counts; the beginning of one that is not whole yet. */
  size_t need;
  int counts, carried, sequenced;
  uint8_t carry[CARRY];
  uint64_t received, expected, sequence;
  /* Out: a block of whole messages to be written again and again. */
  uint8_t *block;
  size_t block_bytes, message_bytes, at;
  uint64_t left, sent;
  int paused;
  uint64_t asked_ns;
};

static struct connection connections[CONNECTIONS_MAX];
static int connection_count, events;
static uint8_t *input;
static uint64_t first_ns, last_ns;
static double cpu_before_s;

static void fail(const char *format, ...) {
  va_list values;
  va_start(values, format);
  fprintf(stderr, "driver: ");
  vfprintf(stderr, format, values);
  fprintf(stderr, "\n");
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static double cpu_s(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* ---- connections ---- */

static int dial(const char *address, const char *channel) {
  int fd, result;
  if (!strncmp(address, "unix:", 5)) {
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const char *place = strstr(address + 5, "%s");
    if (place) {
      snprintf(to.sun_path, sizeof to.sun_path, "%.*s%s%s", (int)(place - address - 5), address + 5, channel, place + 2);
    } else snprintf(to.sun_path, sizeof to.sun_path, "%s", address + 5);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    result = connect(fd, (struct sockaddr *)&to, sizeof to);
    address = strdup(to.sun_path);
  } else if (!strncmp(address, "tcp:", 4)) {
    char host[64];
    const char *port = strrchr(address, ':') + 1;
    snprintf(host, sizeof host, "%.*s", (int)(port - 1 - address - 4), address + 4);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1) fail("--address %s: %s is no IPv4 address", address, host);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    result = connect(fd, (struct sockaddr *)&to, sizeof to);
  } else fail("--address %s: write unix:PATH or tcp:HOST:PORT", address);
  if (fd < 0 || result < 0) fail("cannot connect to %s: %s", address, strerror(errno));
  return fd;
}

static void write_all(int fd, const uint8_t *bytes, size_t count) {
  for (size_t at = 0; at < count;) {
    ssize_t done = write(fd, bytes + at, count - at);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail("cannot write: %s", strerror(errno));
    at += done;
  }
}

static void greet(struct connection *c, const char *channel) {
  uint8_t text[4096];
  size_t bytes = run.protocol->hello(text, c->role, c->index, channel), got = 0, used = 0;
  write_all(c->fd, text, bytes);
  while (run.protocol->answers && !(used = run.protocol->welcome(text, got, c->role))) {
    ssize_t more = read(c->fd, text + got, sizeof text - got);
    if (more <= 0) fail("%s was closed before it was ready: %.*s", run.address, (int)got, (char *)text);
    got += more;
  }
  if (used < got) c->carried = got - used, memcpy(c->carry, text + used, got - used);
}

static int relay_end(int *theirs) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) fail("cannot make a socket pair: %s", strerror(errno));
  *theirs = ends[1];
  return ends[0];
}

static int relay_fds[CONNECTIONS_MAX];

/* Whether publishers send as much as is taken, and not one message at a time. */
static int in_blocks(void) {
  return !strcmp(run.name, "throughput") || !strcmp(run.name, "pairs") || !strcmp(run.name, "full");
}

static struct connection *open_connection(enum role role, int index, const char *channel) {
  if (connection_count == CONNECTIONS_MAX) fail("more than %d connections", CONNECTIONS_MAX);
  struct connection *c = &connections[connection_count];
  c->role = role;
  c->index = index;
  c->fd = run.address ? dial(run.address, channel) : relay_end(&relay_fds[connection_count]);
  connection_count++;
  run.protocol->delivery(&c->unit, role, index, channel, run.size);
  uint8_t payload[run.size + 4];
  memset(payload, 'x', sizeof payload);
  put32(payload, index);
  uint8_t *one = malloc(run.size + 512);
  c->message_bytes = run.protocol->message(one, role, index, channel, payload, run.size);
  size_t times = in_blocks() ? BLOCK / c->message_bytes : 1;
  if (role == LISTENER || role == HANDLER || times == 0) times = 1;
  c->block_bytes = times * c->message_bytes;
  c->block = malloc(c->block_bytes);
  for (size_t at = 0; at < c->block_bytes; at += c->message_bytes) memcpy(c->block + at, one, c->message_bytes);
  free(one);
  if (run.address) greet(c, channel);
  return c;
}

/* ---- reading ---- */

/* Called for each message where a case needs to see it; `at` is its beginning, payload's first 4 bytes included. */
static void (*on_message)(struct connection *c, const uint8_t *at);

static void check_sequence(struct connection *c, const uint8_t *at, uint64_t behind) {
  uint64_t sequence = get64(at + 16);
  if (!c->sequenced) c->sequence = sequence - 1, c->sequenced = 1;
  if (sequence != c->sequence + 1 + behind) {
    fail("listener %d: sequence number %llu after %llu", c->index, (unsigned long long)sequence,
         (unsigned long long)(c->sequence + behind));
  }
}

static int begins(const struct connection *c, const uint8_t *at) {
  return memcmp(at, c->unit.prefix, c->unit.prefix_bytes) == 0;
}

/* Takes what was read; costs nothing per message unless `on_message` or --check asks for it. */
static void take(struct connection *c, const uint8_t *at, size_t got) {
  const struct unit *unit = &c->unit;
  const int sequenced = run.protocol->sequenced && c->role == LISTENER;
  size_t head = sequenced || on_message ? HEADER : unit->prefix_bytes;
  if (on_message && head < (size_t)unit->payload + 4) head = unit->payload + 4;
  if (head > unit->unit) head = unit->unit;
  while (got > 0) {
    if (c->need > 0) {
      size_t step = c->need < got ? c->need : got;
      c->need -= step, at += step, got -= step;
      if (c->need == 0 && c->counts) c->received++;
      continue;
    }
    if (got >= head && begins(c, at)) {
      uint64_t whole = got / unit->unit;
      const uint8_t *last = at + (whole - 1) * unit->unit;
      if (sequenced) check_sequence(c, at, 0);
      if (whole > 1 && !on_message && !run.check && begins(c, last)) {
        if (sequenced) check_sequence(c, last, whole - 1), c->sequence += whole;
        c->received += whole;
        at += whole * unit->unit, got -= whole * unit->unit;
        continue;
      }
      if (sequenced) c->sequence++;
      if (on_message) on_message(c, at);
      c->need = unit->unit, c->counts = 1;
      continue;
    }
    long skip = got >= head || memcmp(at, unit->prefix, got < (size_t)unit->prefix_bytes ? got : (size_t)unit->prefix_bytes)
                    ? run.protocol->other(at, got) : 0;
    if (skip < 0) fail("that does not belong to this case (%s)", run.address ? run.address : "relay");
    if (skip > 0) {
      c->need = skip, c->counts = 0;
      continue;
    }
    if (got > CARRY) fail("cannot tell what connection %d was sent", c->index);
    memcpy(c->carry, at, got);
    c->carried = got;
    return;
  }
}

/* One read; false if there was nothing. Publishers' answers are only looked at for errors. */
static int receive(struct connection *c, int flags) {
  uint8_t *to = input + CARRY;
  ssize_t got = recv(c->fd, to, BLOCK, flags);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got < 0) fail("cannot read: %s", strerror(errno));
  if (got == 0) fail("the broker closed connection %d", c->index);
  if (c->role == PUBLISHER) {
    if (run.protocol->other(to, got) < 0) fail("a publisher was sent an error");
    return 1;
  }
  uint8_t *from = to - c->carried;
  memcpy(from, c->carry, c->carried);
  got += c->carried, c->carried = 0;
  take(c, from, got);
  return 1;
}

/* ---- writing ---- */

static void watch(struct connection *c, int operation, uint32_t what) {
  struct epoll_event event = { .events = what, .data.ptr = c };
  if (epoll_ctl(events, operation, c->fd, &event) < 0) fail("cannot watch: %s", strerror(errno));
}

/* How many messages a publisher, or all of them together, are ahead of the slowest listener. Listeners come first. */
static uint64_t ahead(const struct connection *c) {
  if (!strcmp(run.name, "pairs")) return c->sent - connections[c->index].received;
  uint64_t least = UINT64_MAX, sent = 0;
  for (int i = 0; i < connection_count; i++) {
    if (connections[i].role == PUBLISHER) sent += connections[i].sent;
    else if (connections[i].received < least) least = connections[i].received;
  }
  return sent - least;
}

/* Writes what the socket takes of a publisher's block. */
static void publish(struct connection *c) {
  uint64_t allowed = c->left;
  if (run.window) {
    uint64_t out = ahead(c), room = out < run.window ? run.window - out : 0;
    if (room < allowed) allowed = room;
  }
  size_t bytes = c->block_bytes - c->at;
  size_t most = allowed * c->message_bytes - c->at % c->message_bytes;
  if (allowed == 0) {
    c->paused = 1;
    return watch(c, EPOLL_CTL_MOD, EPOLLIN);
  }
  if (bytes > most) bytes = most;
  ssize_t done = send(c->fd, c->block + c->at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (done < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (done < 0) fail("cannot write: %s", strerror(errno));
  uint64_t whole = (c->at % c->message_bytes + done) / c->message_bytes;
  c->at = (c->at + done) % c->block_bytes;
  c->left -= whole, c->sent += whole;
  if (c->left == 0) watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void send_message(struct connection *c) {
  c->asked_ns = now_ns();
  write_all(c->fd, c->block, c->block_bytes);
  c->left--;
}

/* ---- the relay: a child that copies ---- */

/* What small reads brought for one connection in a turn of the loop; it leaves in one write. */
static struct { uint8_t *bytes; size_t count; } gathered[CONNECTIONS_MAX];

static void flush(int to) {
  write_all(relay_fds[to], gathered[to].bytes, gathered[to].count);
  gathered[to].count = 0;
}

static void pass_on(int to, const uint8_t *bytes, size_t count) {
  enum { SMALL = 8192, TAIL = 65536 };
  if (gathered[to].count && (count > SMALL || gathered[to].count + count > TAIL)) flush(to);
  if (count > SMALL) return write_all(relay_fds[to], bytes, count);
  if (!gathered[to].bytes) gathered[to].bytes = malloc(TAIL);
  memcpy(gathered[to].bytes + gathered[to].count, bytes, count);
  gathered[to].count += count;
}

/* Frames of publisher p go to all listeners, or to listener p with pairs; a handler's go to the requester in `target`. */
static void relay(void) {
  const size_t room = (in_blocks() ? BLOCK : TURN) + run.size + HEADER;
  static struct { uint8_t *bytes; size_t count; } kept[CONNECTIONS_MAX];
  int poll = epoll_create1(0);
  for (int i = 0; i < connection_count; i++) {
    close(connections[i].fd);
    if (connections[i].role == LISTENER) continue;
    kept[i].bytes = malloc(room);
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
    epoll_ctl(poll, EPOLL_CTL_ADD, relay_fds[i], &event);
  }
  for (struct epoll_event ready[64];;) {
    int count = epoll_wait(poll, ready, 64, -1);
    for (int e = 0; e < count; e++) {
      int from = ready[e].data.u32;
      uint8_t *at = kept[from].bytes;
      ssize_t got = read(relay_fds[from], at + kept[from].count, room - kept[from].count);
      if (got <= 0) _exit(0);
      uint8_t *end = at + kept[from].count + got;
      if (connections[from].role == HANDLER) {
        for (; end - at >= HEADER && (size_t)(end - at) >= get32(at); at += get32(at)) {
          write_all(relay_fds[1 + get32(at + 12)], at, get32(at));
        }
      } else {
        const struct connection *c = &connections[from]; /* whose frames all have one size */
        at += (end - at) / c->message_bytes * c->message_bytes;
        for (int to = 0; at > kept[from].bytes && to < connection_count; to++) {
          if (connections[to].role != LISTENER && connections[to].role != HANDLER) continue;
          if (strcmp(run.name, "pairs") || connections[to].index == c->index) {
            pass_on(to, kept[from].bytes, at - kept[from].bytes);
          }
        }
      }
      kept[from].count = end - at;
      memmove(kept[from].bytes, at, kept[from].count);
    }
    for (int to = 0; to < connection_count; to++) {
      if (gathered[to].count) flush(to);
    }
  }
}

/* All connections are there: starts the relay, or gives a broker that does not say when it is ready a moment. */
static void settle(void) {
  if (!run.address) {
    int parent = getpid(), child = fork();
    if (child < 0) fail("cannot fork: %s", strerror(errno));
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() == parent) relay();
      _exit(0);
    }
    for (int i = 0; i < connection_count; i++) close(relay_fds[i]);
  } else if (!run.protocol->answers) usleep(300000);
  cpu_before_s = cpu_s();
}

/* ---- the cases ---- */

static int by_value(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return left < right ? -1 : left > right;
}

static void report(uint64_t deliveries, uint64_t passed, uint32_t *times, uint64_t time_count) {
  double seconds = (last_ns - first_ns) / 1e9;
  printf("{\"protocol\":\"%s\",\"case\":\"%s\",\"size\":%zu,\"connections\":%d,\"events\":%llu,\"seconds\":%.4f,"
         "\"events_per_s\":%.0f,\"deliveries_per_s\":%.0f,\"driver_cpu_s\":%.3f",
         run.protocol->name, run.name, run.size, connection_count, (unsigned long long)passed, seconds,
         passed / seconds, deliveries / seconds, cpu_s() - cpu_before_s);
  if (time_count) {
    qsort(times, time_count, sizeof *times, by_value);
    printf(",\"p50_us\":%.2f,\"p99_us\":%.2f,\"min_us\":%.2f,\"max_us\":%.2f", times[time_count / 2] / 1e3,
           times[time_count * 99 / 100] / 1e3, times[0] / 1e3, times[time_count - 1] / 1e3);
  }
  printf("}\n");
}

static int wait_events(struct epoll_event *ready, int max) {
  int count = epoll_wait(events, ready, max, STALL_MS);
  if (count == 0) {
    uint64_t received = 0, expected = 0;
    for (int i = 0; i < connection_count; i++) received += connections[i].received, expected += connections[i].expected;
    fail("nothing moved for %d s: %llu of %llu arrived", STALL_MS / 1000, (unsigned long long)received,
         (unsigned long long)expected);
  }
  return count < 0 ? 0 : count;
}

static void throughput(int pairs) {
  int publishers = pairs ? pairs : run.publishers, listeners = pairs ? pairs : run.listeners;
  uint64_t each = run.count / publishers;
  char channel[80];
  for (int side = LISTENER; side >= (int)PUBLISHER; side--) {
    for (int i = 0; i < (side == LISTENER ? listeners : publishers); i++) {
      snprintf(channel, sizeof channel, pairs ? "%s%d" : "%s", run.channel, i);
      struct connection *c = open_connection(side, i, channel);
      if (side == LISTENER) c->expected = pairs ? each : each * publishers;
      else c->left = each;
    }
  }
  settle();
  first_ns = now_ns();
  for (int i = 0; i < connection_count; i++) {
    watch(&connections[i], EPOLL_CTL_ADD, connections[i].role == LISTENER ? EPOLLIN : EPOLLIN | EPOLLOUT);
  }
  for (int open = listeners; open > 0;) {
    struct epoll_event ready[64];
    int count = wait_events(ready, 64);
    for (int e = 0; e < count; e++) {
      struct connection *c = ready[e].data.ptr;
      if (ready[e].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        uint64_t before = c->received;
        receive(c, MSG_DONTWAIT);
        if (c->role == LISTENER && before < c->expected && c->received >= c->expected) open--;
      }
      if (ready[e].events & EPOLLOUT && c->left > 0) publish(c);
    }
    if (run.window) {
      for (int i = 0; i < connection_count; i++) {
        struct connection *c = &connections[i];
        if (!c->paused || c->left == 0 || ahead(c) > run.window / 2) continue;
        c->paused = 0;
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      }
    }
  }
  last_ns = now_ns();
  report(each * publishers * (pairs ? 1 : listeners), each * publishers, NULL, 0);
}

static uint32_t *times;
static uint64_t time_count, finished;

/* A message came back: its publisher may send the next. */
static void came_back(struct connection *listener, const uint8_t *at) {
  uint32_t index = get32(at + listener->unit.payload);
  if (index >= (uint32_t)run.publishers) fail("a message says that it is from publisher %u", index);
  struct connection *c = &connections[1 + index];
  times[time_count++] = now_ns() - c->asked_ns;
  finished++;
  if (c->left > 0) send_message(c);
}

static void single(void) {
  uint64_t each = run.count / run.publishers;
  open_connection(LISTENER, 0, run.channel)->expected = each * run.publishers;
  for (int i = 0; i < run.publishers; i++) open_connection(PUBLISHER, i, run.channel)->left = each;
  settle();
  on_message = came_back;
  for (int i = 0; i < connection_count; i++) watch(&connections[i], EPOLL_CTL_ADD, EPOLLIN);
  first_ns = now_ns();
  for (int i = 1; i < connection_count; i++) send_message(&connections[i]);
  while (finished < each * run.publishers) {
    struct epoll_event ready[64];
    int count = wait_events(ready, 64);
    for (int e = 0; e < count; e++) receive(ready[e].data.ptr, MSG_DONTWAIT);
  }
  last_ns = now_ns();
  report(finished, finished, times, time_count);
}

static void pingpong(void) {
  struct connection *listener = open_connection(LISTENER, 0, run.channel);
  struct connection *publisher = open_connection(PUBLISHER, 0, run.channel);
  settle();
  uint64_t warmup = run.count / 10;
  for (uint64_t i = 0; i < run.count + warmup; i++) {
    if (i == warmup) first_ns = now_ns();
    send_message(publisher);
    for (uint64_t before = listener->received; listener->received == before;) receive(listener, 0);
    if (i >= warmup) times[time_count++] = now_ns() - publisher->asked_ns;
    if (i % 16 == 0) receive(publisher, MSG_DONTWAIT);
  }
  last_ns = now_ns();
  report(run.count, run.count, times, time_count);
}

static uint8_t *replies;
static size_t reply_bytes;

static void answer(struct connection *c, const uint8_t *at) {
  static uint8_t payload[1 << 20];
  reply_bytes += run.protocol->reply(replies + reply_bytes, at, &c->unit, payload, run.size);
}

static void answered(struct connection *c) {
  times[time_count++] = now_ns() - c->asked_ns;
  if (c->left > 0) send_message(c);
}

static void handle_or_ask(struct connection *c, const uint8_t *at) {
  if (c->role == HANDLER) answer(c, at);
}

/* A handler answers all that one read brought in one write. */
static void serve(struct connection *c) {
  write_all(c->fd, replies, reply_bytes);
  reply_bytes = 0;
}

static void requests(void) {
  if (!run.protocol->reply) fail("%s has no requests", run.protocol->name);
  uint64_t each = run.count / run.requesters;
  struct connection *handler = open_connection(HANDLER, 0, run.channel);
  for (int i = 0; i < run.requesters; i++) open_connection(REQUESTER, i, run.channel)->left = each;
  settle();
  replies = malloc((size_t)run.requesters * (run.size + 256) + BLOCK);
  on_message = handle_or_ask;
  if (run.requesters == 1) { /* nothing but two writes and two reads, so that one core shows the broker */
    struct connection *c = &connections[1];
    for (first_ns = now_ns(); c->left > 0;) {
      send_message(c);
      while (reply_bytes == 0) receive(handler, 0);
      serve(handler);
      for (uint64_t before = c->received; c->received == before;) receive(c, 0);
      times[time_count++] = now_ns() - c->asked_ns;
    }
  } else {
    for (int i = 0; i < connection_count; i++) watch(&connections[i], EPOLL_CTL_ADD, EPOLLIN);
    first_ns = now_ns();
    for (int i = 1; i < connection_count; i++) send_message(&connections[i]);
    while (time_count < each * run.requesters) {
      struct epoll_event ready[64];
      int count = wait_events(ready, 64);
      for (int e = 0; e < count; e++) {
        struct connection *c = ready[e].data.ptr;
        uint64_t before = c->received;
        receive(c, MSG_DONTWAIT);
        if (c == handler) serve(c);
        else if (c->received > before) answered(c);
      }
    }
  }
  last_ns = now_ns();
  report(time_count, time_count, times, time_count);
}

/* Says that the connections are as the case wants them, and keeps them until standard input ends. */
static void hold(uint64_t sent) {
  printf("{\"protocol\":\"%s\",\"case\":\"%s\",\"size\":%zu,\"connections\":%d,\"sent\":%llu}\n", run.protocol->name,
         run.name, run.size, connection_count, (unsigned long long)sent);
  fflush(stdout);
  for (uint8_t nothing[64]; read(0, nothing, sizeof nothing) > 0;) continue;
}

static void idle(void) {
  for (uint64_t i = 0; i < run.count; i++) open_connection(LISTENER, i, run.channel);
  hold(0);
}

static void full(void) {
  for (int i = 0; i < run.listeners; i++) open_connection(LISTENER, i, run.channel);
  struct connection *c = open_connection(PUBLISHER, 0, run.channel);
  settle();
  c->left = 1ull << 40; /* more than any queue takes */
  for (struct pollfd writable = { .fd = c->fd, .events = POLLOUT }; poll(&writable, 1, 500) > 0;) publish(c);
  hold(c->sent);
}

/* ---- the command line ---- */

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
