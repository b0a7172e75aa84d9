/*
 * Many connections that do what no honest client does: say anything or nothing, read nothing or little, come and go. What
 * Deno would be too slow for, from one process.
 *
 *   crowd path=SOCKET [key=value ...]
 *
 *   at_once=N    connections at a time                        rate=N       connects per second, 0: as they can be had
 *   count=N      connections in all, 0: until it is told      life_ms=N    when each is closed, -1: when the broker closes it
 *   say=A,B,...  what they say, in hex, in turn               random=N     followed by up to so many random bytes
 *   seed=N       of what is random                            pace_ms=N    one byte in so many milliseconds, 0: as they go
 *   read=N       bytes per second, 0: none, -1: all that come again=0|1    whether one that was closed is replaced
 *
 * Tells "ready" when the first are there, obeys "report", and tells "done" when all are over, as lines of JSON. It ends with
 * its standard input. Only a connection that could be had counts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SAYINGS_MAX = 1024, AT_ONCE_MAX = 10000, BLOCK = 1 << 20, EVENTS = 256 };

static struct {
  const char *path;
  long at_once, rate, count, life_ms, random, seed, pace_ms, read, again;
} run = { .at_once = 1, .life_ms = -1, .seed = 1, .read = -1, .again = 1 };

static struct { uint8_t *bytes; size_t length; } sayings[SAYINGS_MAX];
static int saying_count;
static uint8_t block[BLOCK], sink[65536];

struct connection {
  int fd, saying, watched;
  double born_ms;
  size_t said, random_at, random_length;
  double got;
};
static struct connection connections[AT_ONCE_MAX];
static int slots[AT_ONCE_MAX], free_slots, epoll;

/* What is reported. */
static long connected, full, failed, closed_by_broker, over;
static double sent_bytes, got_bytes, first_close_ms = -1, last_close_ms = -1;

static uint64_t random_state;
static uint64_t any(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void fail(const char *what) {
  fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void tell(const char *type) {
  printf("{\"type\":\"%s\",\"connected\":%ld,\"open\":%ld,\"full\":%ld,\"failed\":%ld,\"closed_by_broker\":%ld,\"sent_bytes\":%.0f,"
    "\"got_bytes\":%.0f,\"first_close_ms\":%.0f,\"last_close_ms\":%.0f}\n",
    type, connected, run.at_once - free_slots, full, failed, closed_by_broker, sent_bytes, got_bytes, first_close_ms,
    last_close_ms);
  fflush(stdout);
}

/* ---- one connection ---- */

static void forget(struct connection *it, int by_broker) {
  if (by_broker) {
    double age_ms = now_ms() - it->born_ms;
    closed_by_broker++;
    if (first_close_ms < 0 || age_ms < first_close_ms) first_close_ms = age_ms;
    if (age_ms > last_close_ms) last_close_ms = age_ms;
  }
  close(it->fd);
  it->fd = -1;
  over++;
  slots[free_slots++] = it - connections;
}

static size_t to_say(struct connection *it) {
  return sayings[it->saying].length + it->random_length;
}

static void watch(struct connection *it, int writing) {
  struct epoll_event event = { .events = EPOLLRDHUP | (run.read < 0 ? EPOLLIN : 0) | (writing ? EPOLLOUT : 0), .data.ptr = it };
  if (epoll_ctl(epoll, it->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, it->fd, &event)) fail("epoll_ctl");
  it->watched = 1;
}

/* Says what it can. Returns 0 when the connection is over. */
static int say(struct connection *it, size_t most) {
  while (it->said < to_say(it) && most > 0) {
    size_t begun = sayings[it->saying].length, at = it->said, length;
    const uint8_t *from;
    if (at < begun) from = sayings[it->saying].bytes + at, length = begun - at;
    else from = block + it->random_at + (at - begun), length = to_say(it) - at;
    if (length > most) length = most;
    ssize_t wrote = send(it->fd, from, length, MSG_NOSIGNAL);
    if (wrote < 0) {
      if (errno == EAGAIN) { watch(it, run.pace_ms == 0); return 1; }
      forget(it, 1);
      return 0;
    }
    it->said += wrote;
    sent_bytes += wrote;
    most -= wrote;
  }
  if (it->said == to_say(it) && run.life_ms == 0) { forget(it, 0); return 0; }
  return 1;
}

/* Returns 0 when the connection is over. */
static int take(struct connection *it, size_t most) {
  while (most > 0) {
    ssize_t got = recv(it->fd, sink, most < sizeof sink ? most : sizeof sink, 0);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got <= 0) { forget(it, 1); return 0; }
    it->got += got;
    got_bytes += got;
    most -= got;
  }
  return 1;
}

/* Returns 0 if there is no room at present. */
static int open_one(const struct sockaddr_un *to) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, (const struct sockaddr *)to, sizeof *to)) {
    int why = errno;
    close(fd);
    if (why == EAGAIN) full++;
    else failed++;
    return 0;
  }
  struct connection *it = &connections[slots[--free_slots]];
  *it = (struct connection){ .fd = fd, .born_ms = now_ms(), .saying = saying_count ? connected % saying_count : 0 };
  if (run.random > 0) {
    it->random_length = any() % (run.random + 1);
    it->random_at = any() % (BLOCK - it->random_length);
  }
  connected++;
  if (run.pace_ms > 0 || say(it, SIZE_MAX)) if (!it->watched) watch(it, 0);
  return 1;
}

/* ---- all of them ---- */

static void parse_sayings(char *text) {
  for (char *one; (one = strsep(&text, ",")) != NULL;) {
    size_t length = strlen(one) / 2;
    if (saying_count == SAYINGS_MAX) { errno = E2BIG; fail("say"); }
    sayings[saying_count].bytes = malloc(length + 1);
    for (size_t at = 0; at < length; at++) {
      char digits[3] = { one[2 * at], one[2 * at + 1], 0 };
      sayings[saying_count].bytes[at] = strtoul(digits, NULL, 16);
    }
    sayings[saying_count++].length = length;
  }
}

static void parse(int count, char **arguments) {
  struct { const char *name; long *value; } numbers[] = {
    { "at_once", &run.at_once }, { "rate", &run.rate }, { "count", &run.count }, { "life_ms", &run.life_ms },
    { "random", &run.random }, { "seed", &run.seed }, { "pace_ms", &run.pace_ms }, { "read", &run.read }, { "again", &run.again },
  };
  for (int at = 1; at < count; at++) {
    char *value = strchr(arguments[at], '=');
    if (value == NULL) { errno = EINVAL; fail(arguments[at]); }
    *value++ = 0;
    if (!strcmp(arguments[at], "path")) run.path = value;
    else if (!strcmp(arguments[at], "say")) parse_sayings(value);
    else {
      size_t number = 0;
      while (number < sizeof numbers / sizeof *numbers && strcmp(arguments[at], numbers[number].name)) number++;
      if (number == sizeof numbers / sizeof *numbers) { errno = EINVAL; fail(arguments[at]); }
      *numbers[number].value = atol(value);
    }
  }
  if (run.path == NULL || run.at_once < 1 || run.at_once > AT_ONCE_MAX) { errno = EINVAL; fail("path or at_once"); }
  random_state = run.seed * 0x9e3779b97f4a7c15ull + 1;
  for (size_t at = 0; at < BLOCK; at++) block[at] = any() >> 32;
}

/* Obeys. Returns 0 at the end of standard input. */
static int obey(void) {
  static char line[64];
  static size_t length;
  for (char byte;;) {
    ssize_t got = read(0, &byte, 1);
    if (got < 0) return 1;
    if (got == 0) return 0;
    if (byte != '\n') { if (length < sizeof line - 1) line[length++] = byte; continue; }
    line[length] = 0;
    length = 0;
    if (!strcmp(line, "report")) tell("report");
  }
}

int main(int count, char **arguments) {
  parse(count, arguments);
  struct sockaddr_un to = { .sun_family = AF_UNIX };
  snprintf(to.sun_path, sizeof to.sun_path, "%s", run.path);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll_create1");
  for (int slot = 0; slot < run.at_once; slot++) slots[free_slots++] = run.at_once - 1 - slot, connections[slot].fd = -1;
  fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
  double start_ms = now_ms(), due = 0, looked_ms = 0;
  int ready = 0, done = 0;
  struct epoll_event happened[EVENTS];
  for (;;) {
    double at_ms = now_ms();
    int room = 1;
    if (run.rate > 0) {
      /* What could not be had in time is not made up for: the rate is that of the attempts. */
      double all = (at_ms - start_ms) * run.rate / 1e3;
      for (; due < all && free_slots > 0 && (run.count == 0 || connected < run.count); due++) open_one(&to);
      if (due < all) due = all;
    } else {
      for (int most = EVENTS; most > 0 && room && free_slots > 0 && (run.count == 0 || connected < run.count) &&
           (run.again || connected < run.at_once); most--) room = open_one(&to);
    }
    if (!ready && (connected >= run.at_once || (run.count > 0 && connected >= run.count) || run.rate > 0)) tell("ready"), ready = 1;
    if (!done && over == connected && ((run.count > 0 && connected >= run.count) || (!run.again && connected >= run.at_once))) {
      tell("done");
      done = 1;
    }
    int idle = !room || free_slots == 0 || run.rate > 0 || done || (run.count > 0 && connected >= run.count) || !run.again;
    int events = epoll_wait(epoll, happened, EVENTS, idle ? 1 : 0);
    for (int at = 0; at < events; at++) {
      struct connection *it = happened[at].data.ptr;
      if (it->fd < 0) continue;
      if (happened[at].events & EPOLLOUT && !say(it, SIZE_MAX)) continue;
      if (it->fd >= 0 && happened[at].events & EPOLLOUT && it->said == to_say(it)) watch(it, 0);
      if (run.read < 0 && happened[at].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) take(it, SIZE_MAX);
      else if (happened[at].events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) forget(it, 1);
    }
    at_ms = now_ms();
    if (at_ms - looked_ms < 1) continue;
    looked_ms = at_ms;
    if (!obey()) return 0;
    if (run.life_ms < 0 && run.pace_ms == 0 && run.read <= 0) continue;
    for (int slot = 0; slot < run.at_once; slot++) {
      struct connection *it = &connections[slot];
      if (it->fd < 0) continue;
      double age_ms = at_ms - it->born_ms;
      if (run.life_ms >= 0 && age_ms >= run.life_ms) { forget(it, 0); continue; }
      if (run.pace_ms > 0) {
        double may = age_ms / run.pace_ms - it->said;
        if (may >= 1 && it->said < to_say(it) && !say(it, (size_t)may)) continue;
      }
      if (run.read > 0) {
        double may = age_ms * run.read / 1e3 - it->got;
        if (may >= 1) take(it, (size_t)may);
      }
    }
  }
}
