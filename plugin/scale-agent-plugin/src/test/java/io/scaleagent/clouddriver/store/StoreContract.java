// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import io.scaleagent.clouddriver.protocol.AccountTransaction;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.Digest;
import io.scaleagent.clouddriver.protocol.FencedException;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.Opening;
import io.scaleagent.clouddriver.protocol.ScopeName;
import io.scaleagent.clouddriver.protocol.ScopeTotals;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.protocol.StoredDigest;
import io.scaleagent.clouddriver.protocol.StoredScope;
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jooq.DSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the store promises, on a real database. Subclasses say on which. */
@Timeout(60)
abstract class StoreContract {
  private static final ScopeType PODS =
      new ScopeType(new ScopeName("", "pods", ""), "v1", "Pod", true);
  private static final ScopeType DEPLOYMENTS =
      new ScopeType(new ScopeName("apps", "deployments", ""), "v1", "Deployment", true);

  private static final Map<TestDatabase, TestDatabase.Schema> schemas = new HashMap<>();

  private TestDatabase.Schema schema;
  private DSLContext dsl;
  private final List<String> erased = new ArrayList<>();
  private String settings = "s1";

  abstract TestDatabase server();

  @BeforeEach
  void emptyTables() {
    schema = schemas.computeIfAbsent(server(), s -> s.schema().withStore());
    dsl = schema.connect();
    schema.emptyStore();
  }

  @AfterEach
  void disconnect() {
    if (schema != null) {
      schema.disconnect();
    }
  }

  private SqlAccountStore clouddriver(String name, long leaseMillis) {
    AccountEraser eraser =
        new AccountEraser() {
          @Override
          public void erase(DSLContext tx, String account) {
            erased.add(account);
          }

          @Override
          public void forget(String account) {}
        };
    return new SqlAccountStore(schema.database(), name, "http://" + name, leaseMillis, eraser);
  }

  private static AgentConnection agent(SqlAccountStore store, String id) {
    return store.connect(id, "zone", "1.0", "00ff", "10.0.0.1:1");
  }

  private static AccountProperties properties(String cluster) {
    return new AccountProperties(
        "api:6443",
        "aa",
        "v1.36.3",
        cluster,
        Map.of("READ", List.of("dev ", "ops")),
        List.of(),
        List.of(),
        List.of("default"),
        List.of(),
        false,
        true);
  }

  private Opening open(SqlAccountStore store, AgentConnection agent) {
    return open(store, agent, "prod", "c1");
  }

  private Opening open(
      SqlAccountStore store, AgentConnection agent, String account, String cluster) {
    return store.open(agent, account, properties(cluster), settings);
  }

  private static Lease caching(Opening opening) {
    assertThat(opening.decision()).isEqualTo(Opening.Decision.CACHING);
    return opening.lease();
  }

  private static Digest digest(long n) {
    byte[] bytes = new byte[16];
    new Random(n).nextBytes(bytes);
    return Digest.of(bytes);
  }

  private static long scope(SqlAccountStore store, Lease lease) throws FencedException {
    return store.transact(lease, tx -> tx.scopes(List.of(PODS))).get(PODS.name());
  }

  private static void put(SqlAccountStore store, Lease lease, long scope, String name)
      throws FencedException {
    store.transact(
        lease,
        tx -> {
          ScopeTotals t = tx.totals(scope);
          Digest d = digest(name.hashCode());
          tx.update(
              scope,
              Map.of(
                  new ObjectKey("default", name), new StoredDigest(d, "s1", WriteOutcome.STORED)),
              Set.of(),
              new ScopeTotals(t.count() + 1, t.sum().plus(d), 0));
          return null;
        });
  }

  /** As if it had not renewed its lease for too long. */
  private void lapse(SqlAccountStore store) {
    dsl.execute(
        "update scale_agent_replica set alive_until = 1 where id = ?",
        Long.valueOf(store.catalog().clouddriverId()));
  }

  private long rows(String table) {
    return dsl.fetchOne("select count(*) from " + table).get(0, Long.class);
  }

  @Test
  void epochsGrowOverAccountsAndClouddrivers() {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    long last = 0;
    for (int i = 0; i < 10; i++) {
      Lease lease =
          open(i % 2 == 0 ? one : two, i % 2 == 0 ? a : b, "account" + i % 3, "c").lease();
      assertThat(lease.epoch()).isGreaterThan(last);
      last = lease.epoch();
    }
  }

  @Test
  void anAccountHasOneKeeper() {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    Lease first = caching(open(one, a));
    assertThat(open(two, b).decision()).isEqualTo(Opening.Decision.STANDBY);
    assertThat(two.unkept(List.of("prod", "never"))).containsExactly("never");
    one.release(first);
    assertThat(two.unkept(List.of("prod"))).containsExactly("prod");
    caching(open(two, b));
    assertThat(open(one, a).decision()).isEqualTo(Opening.Decision.STANDBY);
  }

  @Test
  void theSameAgentGetsItsAccountAgainAndItsEarlierEpochIsOver() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection before = agent(one, "a");
    Lease first = caching(open(one, before));
    long scope = scope(one, first);
    AgentConnection now = agent(two, "a");
    assertThat(one.superseded(List.of(before))).containsExactly(before);
    assertThat(two.superseded(List.of(now))).isEmpty();
    Lease second = caching(open(two, now));
    assertThatThrownBy(() -> put(one, first, scope, "x")).isInstanceOf(FencedException.class);
    put(two, second, scope, "y");
    assertThat(rows("scale_agent_digest")).isEqualTo(1);
    // A late word of the earlier stream takes nothing away.
    one.disconnect(before);
    put(two, second, scope, "z");
    assertThat(open(one, before).decision()).isEqualTo(Opening.Decision.STANDBY);
  }

  @Test
  void theEpochInTheDatabaseDecidesWhateverIsInMemory() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    Lease lease = caching(open(one, agent(one, "a")));
    long scope = scope(one, lease);
    dsl.execute("update scale_agent_assignment set epoch = epoch + 1");
    assertThatThrownBy(() -> put(one, lease, scope, "x")).isInstanceOf(FencedException.class);
    assertThat(rows("scale_agent_digest")).isZero();
  }

  @Test
  void disconnectingFreesAtOnce() {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(one, "b");
    Lease first = caching(open(one, a));
    one.disconnect(a);
    assertThatThrownBy(() -> scope(one, first)).isInstanceOf(FencedException.class);
    caching(open(one, b));
  }

  @Test
  void anotherClusterByTheSameNameIsRefusedOrReplaces() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(one, "b");
    Lease lease = caching(open(one, a));
    put(one, lease, scope(one, lease), "x");
    Opening refused = open(one, b, "prod", "c2");
    assertThat(refused.decision()).isEqualTo(Opening.Decision.NAME_IN_USE);
    assertThat(refused.reason()).contains("c1").contains("c2").contains("agent a");
    one.disconnect(a);
    Opening replaced = open(one, b, "prod", "c2");
    caching(replaced);
    assertThat(replaced.scopes()).isEmpty();
    assertThat(erased).containsExactly("prod");
    assertThat(rows("scale_agent_digest")).isZero();
  }

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

  @Test
  void accountsThatNobodyNamesAreRetracted() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(one, "b");
    assertThat(one.named(a, Set.of("prod", "test"))).isEmpty();
    assertThat(one.named(b, Set.of("test"))).isEmpty();
    Lease lease = caching(open(one, a));
    put(one, lease, scope(one, lease), "x");
    caching(open(one, a, "test", "c2"));
    assertThat(one.named(a, Set.of())).containsExactly("prod");
    assertThat(erased).containsExactly("prod");
    assertThatThrownBy(() -> scope(one, lease)).isInstanceOf(FencedException.class);
    assertThat(rows("scale_agent_account")).isEqualTo(1);
    assertThat(rows("scale_agent_scope")).isZero();
    assertThat(one.named(agent(one, "a"), Set.of())).isEmpty();
    assertThat(one.named(a, Set.of("late"))).isEmpty();
    assertThat(rows("scale_agent_named")).isEqualTo(1);
  }

  @Test
  void theCatalogTellsWhoBringsAndKeepsWhat() {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    SqlAccountCatalog catalog = two.catalog();
    long before = catalog.revision();
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    one.named(a, Set.of("prod"));
    two.named(b, Set.of("prod", "other"));
    caching(open(one, a));
    long opened = catalog.revision();
    assertThat(opened).isNotEqualTo(before);
    caching(open(one, a));
    assertThat(catalog.revision()).isEqualTo(opened);
    AgentAccount account = catalog.account("prod").orElseThrow();
    assertThat(account.properties().permissions()).isEqualTo(properties("c1").permissions());
    assertThat(account.connections()).isEqualTo(2);
    assertThat(account.agentId()).isEqualTo("a");
    assertThat(account.zoneId()).isEqualTo("zone");
    assertThat(account.clouddriverId()).isEqualTo(one.catalog().clouddriverId());
    assertThat(catalog.account("other")).isEmpty();
    assertThat(catalog.accounts()).hasSize(1);
    assertThat(catalog.clouddrivers())
        .extracting(r -> r.baseUrl())
        .containsExactlyInAnyOrder("http://one", "http://two");
    assertThat(catalog.agents()).hasSize(2);
    assertThat(catalog.agents().stream().filter(g -> g.agentId().equals("a")).findFirst())
        .hasValueSatisfying(g -> assertThat(g.caching()).containsExactly("prod"));
    one.disconnect(a);
    assertThat(catalog.account("prod").orElseThrow().kept()).isFalse();
    assertThat(catalog.account("prod").orElseThrow().connections()).isEqualTo(1);
  }

  @Test
  void accountsThatNobodyHasBroughtForLongAreCleanedUp() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    AgentConnection a = agent(one, "a");
    one.named(a, Set.of("prod", "test"));
    Lease lease = caching(open(one, a));
    put(one, lease, scope(one, lease), "x");
    caching(open(one, a, "test", "c2"));
    TestDatabase.pause(50);
    assertThat(one.cleanUp(Duration.ofMillis(10), true)).isEmpty();
    one.disconnect(a);
    assertThat(one.cleanUp(Duration.ofMinutes(5), true)).isEmpty();
    AgentConnection again = agent(one, "a");
    one.named(again, Set.of("test"));
    one.disconnect(again);
    TestDatabase.pause(50);
    assertThat(one.cleanUp(Duration.ofMillis(10), false)).containsExactly("test");
    assertThat(rows("scale_agent_assignment")).isEqualTo(1);
    assertThat(one.catalog().accounts()).isEmpty();
  }

  @Test
  void agentsThatAreGoneForLongAreForgotten() {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection here = agent(one, "here");
    AgentConnection left = agent(one, "left");
    AgentConnection dead = agent(two, "dead");
    List.of(here, left, dead).forEach(a -> one.named(a, Set.of("prod")));
    one.disconnect(left);
    lapse(two);
    assertThat(DeadAgents.forget(new Database(dsl), 60_000)).isZero();
    TestDatabase.pause(30);
    assertThat(DeadAgents.forget(new Database(dsl), 10)).isEqualTo(2);
    assertThat(one.catalog().agents()).hasSize(1);
    assertThat(rows("scale_agent_named")).isEqualTo(1);
  }

  @Test
  void aClouddriverThatWasSilentPastItsLeaseWritesNothing() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    Lease lease = caching(open(one, a));
    long scope = scope(one, lease);
    assertThat(open(two, b).decision()).isEqualTo(Opening.Decision.STANDBY);
    assertThat(one.renew()).isTrue();
    lapse(one);
    assertThatThrownBy(() -> put(one, lease, scope, "x")).isInstanceOf(FencedException.class);
    assertThat(one.renew()).isFalse();
    assertThatThrownBy(() -> put(one, lease, scope, "x")).isInstanceOf(FencedException.class);
    assertThat(two.unkept(List.of("prod"))).containsExactly("prod");
    caching(open(two, b));
    assertThat(rows("scale_agent_digest")).isZero();
  }

  @Test
  void renewingKeepsALeaseGood() throws Exception {
    SqlAccountStore one = clouddriver("one", 4000);
    Lease lease = caching(open(one, agent(one, "a")));
    one.renew();
    long scope = scope(one, lease);
    for (int i = 0; i < 9; i++) {
      TestDatabase.pause(500);
      one.renew();
    }
    put(one, lease, scope, "x");
    assertThat(rows("scale_agent_digest")).isEqualTo(1);
  }

  @Test
  void aWriterThatStoodStillInMidCommitHoldsNobodyUpAndWritesNothing() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    SqlAccountStore two = clouddriver("two", 60_000);
    AgentConnection a = agent(one, "a");
    AgentConnection b = agent(two, "b");
    Lease lease = caching(open(one, a));
    long scope = scope(one, lease);
    CountDownLatch inside = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    ExecutorService pool = Executors.newSingleThreadExecutor();
    try {
      Future<?> stopped =
          pool.submit(
              () -> {
                one.transact(
                    lease,
                    tx -> {
                      tx.update(
                          scope,
                          Map.of(
                              new ObjectKey("ns", "x"),
                              new StoredDigest(digest(1), "s1", WriteOutcome.STORED)),
                          Set.of(),
                          new ScopeTotals(1, digest(1), 0));
                      inside.countDown();
                      await(goOn);
                      return null;
                    });
                return null;
              });
      await(inside);
      lapse(one);
      long start = System.nanoTime();
      Lease taken = caching(open(two, b));
      assertThat(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start)).isLessThan(10_000);
      put(two, taken, scope, "y");
      goOn.countDown();
      assertThatThrownBy(() -> stopped.get(20, TimeUnit.SECONDS))
          .hasCauseInstanceOf(FencedException.class);
      assertThat(rows("scale_agent_digest")).isEqualTo(1);
    } finally {
      goOn.countDown();
      pool.shutdownNow();
    }
  }

  @Test
  void aWriterWhoseLeaseRanOutBeforeItsEndRollsBackThoughNobodyTookTheAccount() throws Exception {
    SqlAccountStore one = clouddriver("one", 60_000);
    Lease lease = caching(open(one, agent(one, "a")));
    long scope = scope(one, lease);
    assertThatThrownBy(
            () ->
                one.transact(
                    lease,
                    tx -> {
                      tx.update(
                          scope,
                          Map.of(
                              new ObjectKey("ns", "x"),
                              new StoredDigest(digest(1), "s1", WriteOutcome.STORED)),
                          Set.of(),
                          new ScopeTotals(1, digest(1), 0));
                      lapse(one);
                      return null;
                    }))
        .isInstanceOf(FencedException.class);
    assertThat(rows("scale_agent_digest")).isZero();
  }

  static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
