/* The relay: a child of the driver that copies frames and does nothing else. */

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
