/**
 * The verbs that there are. Only the chosen one's module is loaded, so that one verb's dependencies cost the others no
 * start time.
 *
 * @module
 */
import type { Verb } from "./verb.ts";

/** A verb as the overview shows it. */
export interface VerbEntry {
  /** What is typed. */
  name: string;
  /** What it does, in one line. */
  summary: string;
  /** It is about this machine: a broker elsewhere cannot be meant. */
  local?: true;
  /** It works whatever is wrong with the configuration. */
  unconfigured?: true;
  /** Loads its module. */
  load(): Promise<{ verb: Verb<unknown> }>;
}

/** In the order of the overview. */
export const VERBS: readonly VerbEntry[] = [
  { name: "send", summary: "broadcast a message, or a stream of them", load: () => import("./send.ts") },
  { name: "request", summary: "ask a channel's handler and print the reply", load: () => import("./request.ts") },
  {
    name: "listen",
    summary: "print the events of channels, or run a command for each",
    load: () => import("./listen.ts"),
  },
  { name: "handle", summary: "answer requests by running a command", load: () => import("./handle.ts") },
  {
    name: "lock",
    summary: "run a command while nobody else holds the channel's lock",
    load: () => import("./lock.ts"),
  },
  {
    name: "semaphore",
    summary: "run a command while no more than so many others do",
    load: () => import("./semaphore.ts"),
  },
  { name: "barrier", summary: "wait until so many are there", load: () => import("./barrier.ts") },
  { name: "wait", summary: "wait until something is so on a channel", load: () => import("./wait.ts") },
  { name: "record", summary: "write the events of channels to a file", load: () => import("./record.ts") },
  { name: "replay", summary: "send the events of such a file again", load: () => import("./replay.ts") },
  { name: "mock", summary: "answer requests as a file says", load: () => import("./mock.ts") },
  { name: "channels", summary: "list the open channels", load: () => import("./channels.ts") },
  { name: "inspect", summary: "show all about one channel", load: () => import("./inspect.ts") },
  { name: "clients", summary: "list the connected clients", load: () => import("./clients.ts") },
  { name: "stats", summary: "show the broker in numbers, also for Prometheus", load: () => import("./stats.ts") },
  { name: "top", summary: "show channels and clients as they are now, with rates", load: () => import("./top.ts") },
  { name: "monitor", summary: "show every frame that passes", load: () => import("./monitor.ts") },
  { name: "ping", summary: "measure the way to the broker and back", load: () => import("./ping.ts") },
  { name: "bench", summary: "measure the broker beside a bare socket", load: () => import("./bench.ts") },
  {
    name: "daemon",
    summary: "run, start, stop, restart, inspect or reload the broker",
    local: true,
    load: () => import("./daemon.ts"),
  },
  {
    name: "service",
    summary: "install, uninstall, inspect or print the systemd units",
    local: true,
    load: () => import("./service.ts"),
  },
  {
    name: "token",
    summary: "make, list and revoke the tokens that a broker accepts",
    local: true,
    load: () => import("./token.ts"),
  },
  {
    name: "doctor",
    summary: "find out what is wrong, and what to do about it",
    local: true,
    load: () => import("./doctor.ts"),
  },
  {
    name: "config",
    summary: "show, check or begin the configuration",
    local: true,
    load: () => import("./config.ts"),
  },
  {
    name: "sockname",
    summary: "print the path of a channel's socket",
    local: true,
    load: () => import("./sockname.ts"),
  },
  {
    name: "completion",
    summary: "print what makes a shell complete ipc's arguments",
    unconfigured: true,
    load: () => import("./completion.ts"),
  },
  {
    name: "help",
    summary: "print the help of a verb or about a topic",
    unconfigured: true,
    load: () => import("./help.ts"),
  },
  { name: "version", summary: "print the version", unconfigured: true, load: () => import("./version.ts") },
];

/** Loads what stands in for a verb where none is named. */
export const loadOverview = () => import("./overview.ts");

/** Loads what is asked when a verb has failed. */
export const loadChannelGuess = () => import("./channel_guess.ts");

/** Loads what reads a profile. */
export const loadProfile = () => import("./profile.ts");
