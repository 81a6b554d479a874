// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.protocol.AccountTransaction;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.Digest;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.ScopeName;
import io.scaleagent.clouddriver.protocol.ScopeTotals;
import io.scaleagent.clouddriver.protocol.StoredDigest;
import io.scaleagent.clouddriver.protocol.StoredScope;
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Scopes of an account with their digests and sums, on a real database. */
@Timeout(60)
abstract class ScopesContract extends StoreTestCase {
  @Test
  void whatIsStoredComesBackWithTheNextEpoch() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    Lease lease = caching(open(one, a));
    long pods = one.transact(lease, tx -> tx.scopes(List.of(PODS, DEPLOYMENTS))).get(PODS.name());
    put(one, lease, pods, "x");
    one.transact(
        lease,
        tx -> {
          tx.checkpoint(pods, "77", new byte[] {1, 0, -1});
          return null;
        });
    TestDatabase.pause(30);
    List<StoredScope> scopes = open(one, a).scopes();
    assertThat(scopes).hasSize(2);
    StoredScope s = scopes.stream().filter(x -> x.type().equals(PODS)).findFirst().orElseThrow();
    assertThat(s.id()).isEqualTo(pods);
    assertThat(s.totals()).isEqualTo(new ScopeTotals(1, digest("x".hashCode()), 0));
    assertThat(s.resourceVersion()).isEqualTo("77");
    assertThat(s.fingerprint()).containsExactly(1, 0, -1);
    assertThat(s.ageMillis()).isBetween(20L, 20_000L);
  }

  @Test
  void objectsOfOtherSettingsAreStale() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    Lease lease = caching(open(one, a));
    put(one, lease, scope(one, lease), "x");
    assertThat(open(one, a).scopes().get(0).totals().stale()).isZero();
    settings = "s2";
    assertThat(open(one, a).scopes().get(0).totals().stale()).isEqualTo(1);
    assertThat(open(one, a).scopes().get(0).totals().stale()).isEqualTo(1);
    settings = "s1";
    assertThat(open(one, a).scopes().get(0).totals().stale()).isZero();
  }

  @Test
  void scopesThatAreNotNamedGo() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    Lease lease = caching(open(one, agent(one, "a")));
    Map<ScopeName, Long> ids = one.transact(lease, tx -> tx.scopes(List.of(PODS, DEPLOYMENTS)));
    put(one, lease, ids.get(PODS.name()), "x");
    put(one, lease, ids.get(DEPLOYMENTS.name()), "x");
    Map<ScopeName, Long> left =
        one.transact(
            lease,
            tx -> {
              assertThat(tx.scopesOutside(Set.of(PODS.name()))).hasSize(1);
              return tx.scopes(List.of(PODS));
            });
    assertThat(left).containsExactly(Map.entry(PODS.name(), ids.get(PODS.name())));
    assertThat(rows("scale_agent_digest")).isEqualTo(1);
    assertThat(rows("scale_agent_scope")).isEqualTo(1);
  }

  @Test
  void namesOfEveryKindAreKeptApart() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    Lease lease = caching(open(one, agent(one, "a")));
    long scope = scope(one, lease);
    String[] names = {"a", "A", "a ", "á", "a:b", "system:node", "ﬀ", "ß", "日本", "'\"\\;--", "%_"};
    for (String name : names) {
      put(one, lease, scope, name);
    }
    Set<String> read = new HashSet<>();
    one.transact(
        lease,
        tx -> {
          tx.forEachKey(scope, k -> read.add(k.name()));
          for (String name : names) {
            ObjectKey key = new ObjectKey("default", name);
            assertThat(tx.digests(scope, List.of(key)).get(key).digest())
                .isEqualTo(digest(name.hashCode()));
          }
          return null;
        });
    assertThat(read).containsExactlyInAnyOrder(names);
  }

  @Test
  void sumsAreThoseOfTheDigestsAfterRandomChanges() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    Lease lease = caching(open(one, agent(one, "a")));
    long scope = scope(one, lease);
    Random random = new Random(7);
    Map<ObjectKey, Digest> model = new HashMap<>();
    for (int i = 0; i < 200; i++) {
      boolean fails = random.nextInt(10) == 0;
      Map<ObjectKey, Digest> next = new HashMap<>(model);
      long seed = random.nextLong();
      try {
        one.transact(
            lease,
            tx -> {
              change(tx, scope, next, new Random(seed));
              if (fails) {
                throw new IllegalStateException("on purpose");
              }
              return null;
            });
        model = next;
      } catch (IllegalStateException e) {
        assertThat(e).hasMessage("on purpose");
      }
    }
    Map<ObjectKey, Digest> expected = model;
    ScopeTotals totals =
        one.transact(
            lease,
            tx -> {
              Map<ObjectKey, StoredDigest> stored = tx.digests(scope, expected.keySet());
              assertThat(stored.keySet()).isEqualTo(expected.keySet());
              stored.forEach((k, v) -> assertThat(v.digest()).isEqualTo(expected.get(k)));
              return tx.totals(scope);
            });
    Digest sum = expected.values().stream().reduce(Digest.ZERO, Digest::plus);
    assertThat(totals).isEqualTo(new ScopeTotals(expected.size(), sum, 0));
    assertThat(rows("scale_agent_digest")).isEqualTo(expected.size());
    assertThat(open(one, agent(one, "a")).scopes().get(0).totals()).isEqualTo(totals);
  }

  private static void change(
      AccountTransaction tx, long scope, Map<ObjectKey, Digest> model, Random random) {
    Map<ObjectKey, StoredDigest> puts = new HashMap<>();
    Set<ObjectKey> deletes = new HashSet<>();
    ScopeTotals t = tx.totals(scope);
    long count = t.count();
    Digest sum = t.sum();
    for (int i = 0; i < 20; i++) {
      ObjectKey key = new ObjectKey("ns" + random.nextInt(3), "o" + random.nextInt(50));
      if (puts.containsKey(key) || deletes.contains(key)) {
        continue;
      }
      Digest old = model.get(key);
      if (random.nextInt(3) == 0) {
        if (old != null) {
          deletes.add(key);
          model.remove(key);
          count--;
          sum = sum.minus(old);
        }
        continue;
      }
      Digest d = digest(random.nextLong());
      puts.put(key, new StoredDigest(d, "s1", WriteOutcome.values()[random.nextInt(3)]));
      model.put(key, d);
      count += old == null ? 1 : 0;
      sum = sum.plus(d).minus(old == null ? Digest.ZERO : old);
    }
    tx.update(scope, puts, deletes, new ScopeTotals(count, sum, 0));
  }
}
