import assert from "node:assert/strict";
import fc from "fast-check";
import { checkRandomly } from "../tests/random.ts";
import { ANONYMOUS, type Identity } from "./identity.ts";
import { Account, Accounts, type Countable, type Quota, UNLIMITED } from "./quota.ts";

const QUOTA: Quota = { connections: 2, queued_bytes: 1_000, requests: 3, channels: 1 };
const token = (name: string): Identity => ({ ...ANONYMOUS, token: name });
const user = (uid: number): Identity => ({ ...ANONYMOUS, credentials: { pid: 1, uid, gid: 1, groups: [] } });

function setup(own: Record<string, Quota> = {}) {
  const accounts = new Accounts();
  accounts.change({ defaults: QUOTA, tokens: new Map(Object.entries(own)) });
  return accounts;
}

Deno.test("Account.take() gives as many as the quota says, and says who has how many of what", () => {
  const account = new Account('token "backup"', QUOTA);
  assert.deepEqual([account.take("connections"), account.take("connections")], [undefined, undefined]);
  const error = account.take("connections")!;
  assert.equal(error.reason, "OVERLOADED");
  assert.equal(error.message, 'token "backup" has 2 connections open, limit is 2 (quota.connections)');
  assert.deepEqual(error.data, { quota: "connections", limit: 2 });
  assert.equal(account.connections, 2);
  account.give("connections");
  assert.equal(account.take("connections"), undefined);
});

Deno.test("Account.queue() tells of more than the quota whenever more comes, not when it gets less", () => {
  let told = 0;
  const account = new Account("x", QUOTA, () => told++);
  account.queue(1_000);
  assert.equal(told, 0);
  account.queue(1);
  account.queue(5);
  assert.equal(told, 2);
  account.queue(-2);
  assert.deepEqual([told, account.queued_bytes], [2, 1_004]);
});

Deno.test("Account.tolerate() has nobody look again before an eighth more waits, or it was within its quota", () => {
  let told = 0;
  const account = new Account("x", QUOTA, () => told++);
  account.queue(5_000);
  account.tolerate();
  account.queue(125);
  assert.equal(told, 1);
  account.queue(1);
  assert.equal(told, 2);
  account.tolerate();
  account.queue(-4_126);
  account.queue(1);
  assert.equal(told, 3);
});

Deno.test("Account gives back what it took, whatever the order", () => {
  const kind = fc.constantFrom<Countable>("connections", "requests", "channels");
  checkRandomly(
    fc.property(fc.array(fc.tuple(kind, fc.boolean()), { maxLength: 60 }), (steps) => {
      const account = new Account("x", QUOTA), taken = { connections: 0, requests: 0, channels: 0 };
      for (const [what, takes] of steps) {
        if (takes) {
          const refusal = account.take(what);
          assert.equal(refusal === undefined, taken[what] < QUOTA[what]);
          if (refusal === undefined) taken[what]++;
        } else if (taken[what] > 0) {
          account.give(what);
          taken[what]--;
        }
        const { connections, requests, channels } = account;
        assert.deepEqual({ connections, requests, channels }, taken);
      }
    }),
  );
});

Deno.test("Accounts.of() is one account for a token, one for a user, and one for each client without either", () => {
  const accounts = setup();
  assert.equal(accounts.of(token("a"), 1), accounts.of(token("a"), 2));
  assert.notEqual(accounts.of(token("a"), 1), accounts.of(token("b"), 1));
  assert.equal(accounts.of(user(7), 1), accounts.of(user(7), 2));
  assert.equal(accounts.of({ ...user(7), token: "a" }, 3), accounts.of(token("a"), 1));
  assert.notEqual(accounts.of(ANONYMOUS, 1), accounts.of(ANONYMOUS, 1));
  assert.deepEqual(
    [accounts.of(token("a"), 1), accounts.of(user(7), 1), accounts.of(ANONYMOUS, 9)].map(({ name }) => name),
    ['token "a"', "user 7", "client 9"],
  );
  assert.equal(accounts.of(ANONYMOUS, 9).quota.queued_bytes, Infinity);
});

Deno.test("Accounts.change() holds for accounts that are in use", () => {
  const accounts = setup({ a: { ...QUOTA, requests: 9 } }), a = accounts.of(token("a"), 1), u = accounts.of(user(7), 1);
  assert.deepEqual([a.quota.requests, u.quota.requests], [9, 3]);
  accounts.change({ defaults: { ...QUOTA, requests: 4 }, tokens: new Map() });
  assert.deepEqual([a.quota.requests, u.quota.requests], [4, 4]);
  accounts.change({ defaults: UNLIMITED, tokens: new Map([["a", QUOTA]]) });
  assert.deepEqual([a.quota.requests, u.quota.requests], [3, Infinity]);
});

Deno.test("Accounts.sweep() forgets those in which nothing is counted any more", () => {
  const accounts = setup(), a = accounts.of(token("a"), 1), u = accounts.of(user(7), 1);
  a.take("channels");
  accounts.sweep();
  assert.equal(accounts.size, 1);
  assert.equal(accounts.of(token("a"), 1), a);
  assert.notEqual(accounts.of(user(7), 1), u);
  a.give("channels");
  a.queue(1);
  accounts.sweep();
  assert.equal(accounts.of(token("a"), 1), a);
});

Deno.test("Accounts tells of an account with too much in its queues", () => {
  const accounts = setup(), told: Account[] = [];
  accounts.exceeded = (account) => told.push(account);
  const a = accounts.of(token("a"), 1);
  a.queue(1_001);
  assert.deepEqual(told, [a]);
});
