/* The bytes of each protocol that the driver speaks: what opens a connection, what it sends, what arrives for it.
 *
 * A protocol is one row of `protocols` at the end. All messages of a run are built before it and have one size, so that
 * while it is measured nothing is formatted, and what arrives is recognised by the bytes that each unit begins with. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum role { PUBLISHER, LISTENER, REQUESTER, HANDLER };

/* What a connection is given: `unit` bytes each, beginning with `prefix`, the payload at `payload`. */
struct unit {
  uint8_t prefix[96];
  int prefix_bytes, payload;
  size_t unit;
};

struct protocol {
  const char *name;
  /* Every delivery carries the channel's sequence number at byte 16. */
  int sequenced;
  /* Says when a connection is ready; without it the driver waits a moment. */
  int answers;
  /* Writes what a connection sends first, returns how many bytes. */
  size_t (*hello)(uint8_t *out, enum role role, int index, const char *channel);
  /* How many of `got` bytes the answer to `hello` takes, 0 if it is not all there. */
  size_t (*welcome)(const uint8_t *in, size_t got, enum role role);
  /* Writes one message of a publisher or requester, returns how many bytes. */
  size_t (*message)(uint8_t *out, enum role role, int index, const char *channel, const uint8_t *payload, size_t size);
  /* Describes what this role is given. */
  void (*delivery)(struct unit *unit, enum role role, int index, const char *channel, size_t size);
  /* Whose request a handler was given (`request` is its beginning), and the bytes of the reply. Without: no requests. */
  size_t (*reply)(uint8_t *out, const uint8_t *request, const struct unit *unit, const uint8_t *payload, size_t size);
  /* Bytes of something that is no delivery and harmless, 0 if more is needed to say, -1 if it ends the run. */
  long (*other)(const uint8_t *in, size_t got);
};

static uint32_t get32(const uint8_t *at) { uint32_t value; memcpy(&value, at, 4); return value; }
static uint64_t get64(const uint8_t *at) { uint64_t value; memcpy(&value, at, 8); return value; }
static void put32(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }

/* ---- ipc: the binary dialect. relay: its frames without the handshake. ---- */

enum { HEADER = 24, WELCOME = 0x02, EVENT = 0x10, REQUEST = 0x11, REPLY = 0x12, PING = 0x20 };

static size_t frame(uint8_t *out, int type, uint32_t source, uint32_t target, uint32_t id, const uint8_t *payload,
                    size_t size) {
  memset(out, 0, HEADER);
  put32(out, HEADER + size);
  out[4] = type;
  put32(out + 8, source);
  put32(out + 12, target);
  put32(out + 16, id);
  memcpy(out + HEADER, payload, size);
  return HEADER + size;
}

static size_t ipc_hello(uint8_t *out, enum role role, int index, const char *channel) {
  (void)index, (void)channel;
  /* msgpack: a map of one text key to true, or an empty map */
  static const uint8_t listen[] = "\x81\xa6listen\xc3", handle[] = "\x81\xa6handle\xc3", nothing[] = "\x80";
  memcpy(out, "\x89IPC\1\0\0\0", 8);
  const uint8_t *body = role == LISTENER ? listen : role == HANDLER ? handle : nothing;
  return 8 + frame(out + 8, 0x01, 0, 0, 0, body, strlen((const char *)body));
}

static size_t ipc_welcome(const uint8_t *in, size_t got, enum role role) {
  (void)role;
  if (got < HEADER || got < get32(in)) return 0;
  if (in[4] == WELCOME) return get32(in);
  fprintf(stderr, "driver: got type 0x%02x instead of WELCOME: %.*s\n", in[4], (int)(get32(in) - HEADER), in + HEADER);
  exit(1);
}

static size_t ipc_message(uint8_t *out, enum role role, int index, const char *channel, const uint8_t *payload,
                          size_t size) {
  (void)channel, (void)index;
  return frame(out, role == REQUESTER ? REQUEST : EVENT, 0, 0, role == REQUESTER, payload, size);
}

/* The relay routes by number; the broker writes `source` itself. */
static size_t relay_message(uint8_t *out, enum role role, int index, const char *channel, const uint8_t *payload,
                            size_t size) {
  (void)channel;
  return frame(out, role == REQUESTER ? REQUEST : EVENT, index, 0, role == REQUESTER, payload, size);
}

static void ipc_delivery(struct unit *unit, enum role role, int index, const char *channel, size_t size) {
  (void)channel, (void)index;
  put32(unit->prefix, HEADER + size);
  put32(unit->prefix + 4, role == REQUESTER ? REPLY : role == HANDLER ? REQUEST : EVENT);
  unit->prefix_bytes = 8;
  unit->payload = HEADER;
  unit->unit = HEADER + size;
}

static size_t ipc_reply(uint8_t *out, const uint8_t *request, const struct unit *unit, const uint8_t *payload,
                        size_t size) {
  (void)unit;
  return frame(out, REPLY, 0, get32(request + 8), get32(request + 16), payload, size);
}

static long ipc_other(const uint8_t *in, size_t got) {
  if (got < HEADER) return 0;
  if (in[4] == PING) return get32(in); /* a run is over before the broker minds that it is not answered */
  size_t text = get32(in) - HEADER;
  if (text > got - HEADER) text = got - HEADER;
  fprintf(stderr, "driver: got a frame of %u bytes, type 0x%02x: ", get32(in), in[4]);
  fwrite(in + HEADER, 1, text > 300 ? 300 : text, stderr);
  fprintf(stderr, "\n");
  return -1;
}

static size_t no_hello(uint8_t *out, enum role role, int index, const char *channel) {
  (void)out, (void)role, (void)index, (void)channel;
  return 0;
}

/* ---- nats ---- */

static size_t nats_hello(uint8_t *out, enum role role, int index, const char *channel) {
  int bytes = sprintf((char *)out, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
  if (role == LISTENER || role == HANDLER) bytes += sprintf((char *)out + bytes, "SUB %s 1\r\n", channel);
  if (role == REQUESTER) bytes += sprintf((char *)out + bytes, "SUB _INBOX.%04d 1\r\n", index);
  return bytes + sprintf((char *)out + bytes, "PING\r\n");
}

static size_t nats_welcome(const uint8_t *in, size_t got, enum role role) {
  (void)role;
  const uint8_t *pong = memmem(in, got, "\r\nPONG\r\n", 8);
  return pong ? pong + 8 - in : 0;
}

static size_t nats_message(uint8_t *out, enum role role, int index, const char *channel, const uint8_t *payload,
                           size_t size) {
  int bytes = role == REQUESTER ? sprintf((char *)out, "PUB %s _INBOX.%04d %zu\r\n", channel, index, size)
                                : sprintf((char *)out, "PUB %s %zu\r\n", channel, size);
  memcpy(out + bytes, payload, size);
  memcpy(out + bytes + size, "\r\n", 2);
  return bytes + size + 2;
}

static void nats_delivery(struct unit *unit, enum role role, int index, const char *channel, size_t size) {
  char *prefix = (char *)unit->prefix, end[32];
  int digits = sprintf(end, " %zu\r\n", size);
  if (role == HANDLER) {
    unit->prefix_bytes = sprintf(prefix, "MSG %s 1 _INBOX.", channel);
    unit->payload = unit->prefix_bytes + 4 + digits;
  } else {
    unit->payload = unit->prefix_bytes = role == REQUESTER ? sprintf(prefix, "MSG _INBOX.%04d 1%s", index, end)
                                                           : sprintf(prefix, "MSG %s 1%s", channel, end);
  }
  unit->unit = unit->payload + size + 2;
}

static size_t nats_reply(uint8_t *out, const uint8_t *request, const struct unit *unit, const uint8_t *payload,
                         size_t size) {
  int bytes = sprintf((char *)out, "PUB _INBOX.%.4s %zu\r\n", (const char *)request + unit->prefix_bytes, size);
  memcpy(out + bytes, payload, size);
  memcpy(out + bytes + size, "\r\n", 2);
  return bytes + size + 2;
}

static long line_other(const uint8_t *in, size_t got) {
  const uint8_t *end = memmem(in, got, "\r\n", 2);
  if (!end) return got > 64 ? -1 : 0;
  if (in[0] == '-' || in[0] == 'M' || in[0] == '*') {
    fprintf(stderr, "driver: got %.*s\n", (int)(end - in), in);
    return -1;
  }
  return end + 2 - in;
}

/* ---- redis ---- */

static size_t redis_hello(uint8_t *out, enum role role, int index, const char *channel) {
  (void)index;
  if (role == PUBLISHER) return sprintf((char *)out, "*1\r\n$4\r\nPING\r\n");
  return sprintf((char *)out, "*2\r\n$9\r\nSUBSCRIBE\r\n$%zu\r\n%s\r\n", strlen(channel), channel);
}

static size_t redis_welcome(const uint8_t *in, size_t got, enum role role) {
  const char *end = role == PUBLISHER ? "+PONG\r\n" : "\r\n:1\r\n";
  const uint8_t *found = memmem(in, got, end, strlen(end));
  return found ? found + strlen(end) - in : 0;
}

static size_t redis_message(uint8_t *out, enum role role, int index, const char *channel, const uint8_t *payload,
                            size_t size) {
  (void)role, (void)index;
  int bytes = sprintf((char *)out, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel), channel, size);
  memcpy(out + bytes, payload, size);
  memcpy(out + bytes + size, "\r\n", 2);
  return bytes + size + 2;
}

static void redis_delivery(struct unit *unit, enum role role, int index, const char *channel, size_t size) {
  (void)role, (void)index;
  unit->payload = unit->prefix_bytes = sprintf((char *)unit->prefix, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n",
                                               strlen(channel), channel, size);
  unit->unit = unit->payload + size + 2;
}

/* ---- mqtt 3.1.1, quality of service 0 ---- */

static size_t mqtt_length(uint8_t *out, size_t length) {
  size_t bytes = 0;
  do out[bytes++] = (length & 127) | (length > 127 ? 128 : 0);
  while (length >>= 7);
  return bytes;
}

static size_t mqtt_hello(uint8_t *out, enum role role, int index, const char *channel) {
  char name[24];
  int name_bytes = sprintf(name, "%c%d-%d", role == LISTENER ? 'l' : 'p', index, (int)getpid() % 100000);
  size_t at = 0, topic = strlen(channel);
  out[at++] = 0x10, out[at++] = 12 + name_bytes;
  memcpy(out + at, "\0\4MQTT\4\2\0\0\0", 11), at += 11;
  out[at++] = name_bytes;
  memcpy(out + at, name, name_bytes), at += name_bytes;
  if (role == LISTENER) {
    out[at++] = 0x82, out[at++] = 5 + topic;
    memcpy(out + at, "\0\1\0", 3), at += 3;
    out[at++] = topic;
    memcpy(out + at, channel, topic), at += topic;
    out[at++] = 0;
  }
  return at;
}

static size_t mqtt_welcome(const uint8_t *in, size_t got, enum role role) {
  (void)in;
  size_t all = role == LISTENER ? 9 : 4;
  return got >= all ? all : 0;
}

static size_t mqtt_message(uint8_t *out, enum role role, int index, const char *channel, const uint8_t *payload,
                           size_t size) {
  (void)role, (void)index;
  size_t topic = strlen(channel), at = 1;
  out[0] = 0x30;
  at += mqtt_length(out + 1, 2 + topic + size);
  out[at++] = 0, out[at++] = topic;
  memcpy(out + at, channel, topic), at += topic;
  memcpy(out + at, payload, size);
  return at + size;
}

static void mqtt_delivery(struct unit *unit, enum role role, int index, const char *channel, size_t size) {
  (void)role, (void)index;
  unit->prefix[0] = 0x30;
  unit->prefix_bytes = 1 + mqtt_length(unit->prefix + 1, 2 + strlen(channel) + size);
  unit->payload = unit->prefix_bytes + 2 + strlen(channel);
  unit->unit = unit->payload + size;
}

static long mqtt_other(const uint8_t *in, size_t got) {
  (void)got;
  fprintf(stderr, "driver: got a packet of type 0x%02x\n", in[0]);
  return -1;
}

static const struct protocol protocols[] = {
  { "ipc", 1, 1, ipc_hello, ipc_welcome, ipc_message, ipc_delivery, ipc_reply, ipc_other },
  { "relay", 0, 0, no_hello, NULL, relay_message, ipc_delivery, ipc_reply, ipc_other },
  { "nats", 0, 1, nats_hello, nats_welcome, nats_message, nats_delivery, nats_reply, line_other },
  { "redis", 0, 1, redis_hello, redis_welcome, redis_message, redis_delivery, NULL, line_other },
  { "mqtt", 0, 1, mqtt_hello, mqtt_welcome, mqtt_message, mqtt_delivery, NULL, mqtt_other },
};
