/* Connections to a broker: opening one, taking what arrives, sending what is there to be sent. Needs protocols.h. */

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

/* With --check: whether the payload of a message that is all there came as it was sent, behind the 4 bytes of its index. */
static void check_payload(const struct connection *c, const uint8_t *at) {
  static uint8_t sent[1 << 20];
  if (!sent[0]) memset(sent, 'x', sizeof sent);
  if (memcmp(at + c->unit.payload + 4, sent, run.size - 4)) fail("listener %d: a payload is not what was sent", c->index);
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
      if (run.check && c->role == LISTENER && whole > 0) check_payload(c, at);
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
