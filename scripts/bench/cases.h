/* The cases: what is sent when, and what is measured. Listeners are opened before publishers, so that nothing is missed. */

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
  for (int i = 0; i < listeners; i++) {
    if (connections[i].received > connections[i].expected) fail("listener %d was given more than was sent", i);
  }
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
