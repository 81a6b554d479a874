// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.clouddriver.protocol.AccountProperties;
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
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jooq.DSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Stores of some Clouddrivers on one real database, and what tests do with them. */
abstract class StoreTestCase {
  static final ScopeType PODS = new ScopeType(new ScopeName("", "pods", ""), "v1", "Pod", true);
  static final ScopeType DEPLOYMENTS =
      new ScopeType(new ScopeName("apps", "deployments", ""), "v1", "Deployment", true);

  private static final Map<TestDatabase, TestDatabase.Schema> schemas = new HashMap<>();

  TestDatabase.Schema schema;
  DSLContext dsl;
  final List<String> erased = new ArrayList<>();
  String settings = "s1";

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

  SqlAccountStore clouddriver(String name, long leaseMillis) {
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

  static AgentConnection agent(SqlAccountStore store, String id) {
    return store.connect(id, "zone", "1.0", "00ff", "10.0.0.1:1");
  }

  static AccountProperties properties(String cluster) {
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

  Opening open(SqlAccountStore store, AgentConnection agent) {
    return open(store, agent, "prod", "c1");
  }

  Opening open(SqlAccountStore store, AgentConnection agent, String account, String cluster) {
    return store.open(agent, account, properties(cluster), settings);
  }

  static Lease caching(Opening opening) {
    assertThat(opening.decision()).isEqualTo(Opening.Decision.CACHING);
    return opening.lease();
  }

  static Digest digest(long n) {
    byte[] bytes = new byte[16];
    new Random(n).nextBytes(bytes);
    return Digest.of(bytes);
  }

  static long scope(SqlAccountStore store, Lease lease) throws FencedException {
    return store.transact(lease, tx -> tx.scopes(List.of(PODS))).get(PODS.name());
  }

  static void put(SqlAccountStore store, Lease lease, long scope, String name)
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
  void lapse(SqlAccountStore store) {
    dsl.execute(
        "update scale_agent_replica set alive_until = 1 where id = ?",
        Long.valueOf(store.catalog().clouddriverId()));
  }

  long rows(String table) {
    return dsl.fetchOne("select count(*) from " + table).get(0, Long.class);
  }

  static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
