// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import io.scaleagent.clouddriver.protocol.AccountTransaction;
import io.scaleagent.clouddriver.protocol.AgentConnection;
import io.scaleagent.clouddriver.protocol.Digest;
import io.scaleagent.clouddriver.protocol.FencedException;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.RowChange;
import io.scaleagent.clouddriver.protocol.ScopeName;
import io.scaleagent.clouddriver.protocol.ScopeTotals;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.protocol.StoreUnavailableException;
import io.scaleagent.clouddriver.protocol.StoredDigest;
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import io.scaleagent.clouddriver.store.Database;
import io.scaleagent.clouddriver.store.SqlAccountStore;
import io.scaleagent.clouddriver.store.TestDatabase;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the cache's writer promises, on a real database. Subclasses say on which. */
@Timeout(120)
abstract class CacheContract {
  private static final ObjectMapper mapper = new ObjectMapper();
  private static final String ACCOUNT = "prod";
  private static final AccountProperties PROPERTIES = TestDatabase.properties("c1");

  private static final Map<TestDatabase, TestDatabase.Schema> schemas = new HashMap<>();

  private TestDatabase.Schema schema;
  private DSLContext dsl;
  private final StockModel model = new StockModel(ACCOUNT);

  abstract TestDatabase server();

  abstract CatsNames names();

  /** A Clouddriver: a store and a writer on a pool of their own. */
  private final class Clouddriver {
    final Database database;
    final CatsTables tables = new CatsTables(names());
    final SqlAccountStore store;
    final CatsRowWriter writer;
    final AgentConnection agent;
    Lease lease;
    Map<ScopeName, Long> scopes;

    Clouddriver(String agentId) {
      database = schema.database();
      ConverterSource source =
          new ConverterSource() {
            @Override
            public ObjectConverter converter(String account) {
              return new StockModel(account);
            }

            @Override
            public String settings(String account, AccountProperties properties) {
              return "s";
            }
          };
      writer = new CatsRowWriter(database, tables, mapper, source);
      store = new SqlAccountStore(database, agentId, "", 60_000, writer);
      agent = store.connect(agentId, "", "1", "00", "");
    }

    Clouddriver open() throws FencedException {
      lease = store.open(agent, ACCOUNT, PROPERTIES, "s").lease();
      writer.prepare(ACCOUNT, Cluster.SCOPES);
      scopes = store.transact(lease, tx -> tx.scopes(Cluster.SCOPES));
      return this;
    }

    List<WriteOutcome> write(List<Cluster.Change> changes, boolean fails) throws FencedException {
      return store.transact(
          lease,
          tx -> {
            List<RowChange> rows = new ArrayList<>();
            changes.forEach(c -> rows.add(rowChange(c)));
            List<WriteOutcome> outcomes = writer.write(tx, rows);
            digests(tx, changes, outcomes);
            if (fails) {
              throw new IllegalStateException("on purpose");
            }
            return outcomes;
          });
    }

    private void digests(
        AccountTransaction tx, List<Cluster.Change> changes, List<WriteOutcome> outcomes) {
      for (int i = 0; i < changes.size(); i++) {
        Cluster.Change c = changes.get(i);
        long scope = scopes.get(c.scope.name());
        StoredDigest old = tx.digests(scope, List.of(c.key)).get(c.key);
        ScopeTotals t = tx.totals(scope);
        Digest before = old == null ? Digest.ZERO : old.digest();
        if (c.object == null) {
          if (old != null) {
            tx.update(
                scope,
                Map.of(),
                Set.of(c.key),
                new ScopeTotals(t.count() - 1, t.sum().minus(before), 0));
          }
          continue;
        }
        byte[] bytes = new byte[16];
        new Random(c.object.hashCode()).nextBytes(bytes);
        StoredDigest now = new StoredDigest(Digest.of(bytes), "s", outcomes.get(i));
        tx.update(
            scope,
            Map.of(c.key, now),
            Set.of(),
            new ScopeTotals(
                t.count() + (old == null ? 1 : 0), t.sum().plus(now.digest()).minus(before), 0));
      }
    }
  }

  private static RowChange rowChange(Cluster.Change c) {
    return c.object == null
        ? RowChange.delete(c.scope, c.key)
        : RowChange.put(c.scope, c.key, Cluster.json(c.object));
  }

  @BeforeEach
  void emptyTables() {
    schema = schemas.computeIfAbsent(server(), s -> s.schema().withStore().withCats());
    dsl = schema.connect();
    schema.emptyStore();
    for (String table : catsTables()) {
      dsl.execute("delete from " + table);
    }
  }

  @AfterEach
  void disconnect() {
    if (schema != null) {
      schema.disconnect();
    }
  }

  private List<String> catsTables() {
    return new CatsTables(names()).all(dsl, new Database(dsl).sql());
  }

  /** All rows of an agent, as they are read. */
  private Map<String, StockModel.Row> rows(String agent) {
    Map<String, StockModel.Row> rows = new TreeMap<>();
    for (String table : catsTables()) {
      for (Record r : dsl.fetch("select id, body from " + table + " where agent = ?", agent)) {
        try {
          JsonNode body = mapper.readTree(r.get(1, String.class));
          assertThat(body.path("id").asText()).isEqualTo(r.get(0, String.class));
          assertThat(body.path("ttlSeconds").asInt())
              .isEqualTo(Ids.logical(body.path("id").asText()) ? 600 : -1);
          Map<String, Set<String>> relationships = new TreeMap<>();
          body.path("relationships")
              .fields()
              .forEachRemaining(
                  f -> {
                    Set<String> ids = new TreeSet<>();
                    f.getValue().forEach(n -> assertThat(ids.add(n.asText())).isTrue());
                    relationships.put(f.getKey(), ids);
                  });
          rows.put(
              r.get(0, String.class),
              new StockModel.Row(
                  mapper.convertValue(
                      body.path("attributes"), new TypeReference<Map<String, Object>>() {}),
                  relationships));
        } catch (JsonProcessingException e) {
          throw new AssertionError(e);
        }
      }
    }
    return rows;
  }

  private Map<String, StockModel.Row> rows() {
    return rows(CatsRowWriter.agentType(ACCOUNT));
  }

  private void assertEqualsStock(Cluster cluster, String when) {
    Map<String, StockModel.Row> expected = model.rebuild(cluster);
    Map<String, StockModel.Row> found = rows();
    assertThat(found.keySet()).as("rows %s", when).isEqualTo(expected.keySet());
    expected.forEach(
        (id, row) -> {
          assertThat(found.get(id).relationships)
              .as("relationships of %s %s", id, when)
              .isEqualTo(row.relationships);
          assertThat(found.get(id).attributes)
              .as("attributes of %s %s", id, when)
              .isEqualTo(row.attributes);
        });
  }

  @Test
  void randomChangesLeaveTheRowsThatStockMakesOfAllAtOnce() throws Exception {
    for (long seed = 1; seed <= 2; seed++) {
      emptyTables();
      Cluster cluster = new Cluster(seed);
      Random random = new Random(seed);
      Clouddriver[] both = {new Clouddriver("a"), new Clouddriver("b")};
      Clouddriver now = both[0].open();
      for (int i = 0; i < 300; ) {
        Map<String, Cluster.Change> batch = new TreeMap<>();
        for (int n = 1 + random.nextInt(5); n > 0; n--, i++) {
          Cluster.Change c = cluster.change();
          batch.put(c.scope + " " + c.key, c);
        }
        List<Cluster.Change> changes = new ArrayList<>(batch.values());
        if (random.nextInt(10) == 0) {
          Clouddriver fails = now;
          assertThatThrownBy(() -> fails.write(changes, true)).hasMessage("on purpose");
        }
        now.write(changes, false);
        if (random.nextInt(15) == 0) {
          now.store.release(now.lease);
          now = both[random.nextInt(2)].open();
        }
        if (random.nextInt(6) == 0 || i >= 300) {
          assertEqualsStock(cluster, "after change " + i + " of seed " + seed);
        }
      }
    }
  }

  @Test
  void aLonePodLeavesItsReplicaSetsOtherPodsAlone() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    c.write(
        List.of(
            object(Cluster.REPLICA_SETS, "web-v000"),
            owned(Cluster.PODS, "p1", "web-v000"),
            owned(Cluster.PODS, "p2", "web-v000")),
        false);
    c.write(List.of(owned(Cluster.PODS, "p3", "web-v000")), false);
    c.write(List.of(new Cluster.Change(Cluster.PODS, key("p1"), null)), false);
    c.write(List.of(object(Cluster.REPLICA_SETS, "web-v000")), false);
    String id = model.id(Cluster.REPLICA_SETS, key("web-v000"));
    assertThat(rows().get(id).relationships.get("pod"))
        .containsExactly(model.id(Cluster.PODS, key("p2")), model.id(Cluster.PODS, key("p3")));
  }

  private static ObjectKey key(String name) {
    return new ObjectKey("n1", name);
  }

  private static Cluster.Change object(ScopeType scope, String name) {
    Map<String, Object> metadata = new TreeMap<>(Map.of("name", name, "namespace", "n1"));
    metadata.put("annotations", Map.of("note", "x"));
    Map<String, Object> o = new TreeMap<>();
    String group = scope.name().group();
    o.put("apiVersion", group.isEmpty() ? scope.version() : group + "/" + scope.version());
    o.put("kind", scope.kind());
    o.put("metadata", metadata);
    o.put("spec", Map.of("template", Map.of("metadata", Map.of("labels", Map.of("app", "web")))));
    return new Cluster.Change(scope, key(name), o);
  }

  @SuppressWarnings("unchecked")
  private static Cluster.Change owned(ScopeType scope, String name, String owner) {
    Cluster.Change c = object(scope, name);
    ((Map<String, Object>) c.object.get("metadata"))
        .put(
            "ownerReferences",
            List.of(Map.of("apiVersion", "apps/v1", "kind", "ReplicaSet", "name", owner)));
    return c;
  }

  @Test
  void applicationsAndClustersGoWithTheirLastMember() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    c.write(
        List.of(
            object(Cluster.REPLICA_SETS, "web-v000"),
            object(Cluster.REPLICA_SETS, "web-v001"),
            object(Cluster.ROLLOUTS, "web-other")),
        false);
    assertThat(rows().keySet().stream().filter(Ids::logical).collect(Collectors.toSet()))
        .containsExactlyInAnyOrder(
            "kubernetes.v2:logical:applications:web",
            "kubernetes.v2:logical:clusters:prod:web:web");
    c.write(List.of(new Cluster.Change(Cluster.REPLICA_SETS, key("web-v000"), null)), false);
    assertThat(rows().keySet().stream().filter(Ids::logical)).hasSize(2);
    c.write(List.of(new Cluster.Change(Cluster.REPLICA_SETS, key("web-v001"), null)), false);
    assertThat(rows().keySet().stream().filter(Ids::logical)).isEmpty();
    assertThat(rows()).hasSize(1);
  }

  @Test
  void droppedScopesTakeTheirRowsAlong() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    Cluster cluster = new Cluster(9);
    for (int i = 0; i < 100; i++) {
      c.write(List.of(cluster.change()), false);
    }
    List<ScopeType> left = new ArrayList<>(Cluster.SCOPES);
    left.remove(Cluster.REPLICA_SETS);
    left.remove(Cluster.SERVICES);
    c.store.transact(
        c.lease,
        tx -> {
          c.writer.dropScopes(
              tx, tx.scopesOutside(left.stream().map(ScopeType::name).collect(Collectors.toSet())));
          return tx.scopes(left);
        });
    cluster.objects(Cluster.REPLICA_SETS).clear();
    cluster.objects(Cluster.SERVICES).clear();
    assertEqualsStock(cluster, "without ReplicaSets and Services");
    // What is left in the tables gives the same index.
    c.open();
    c.write(List.of(cluster.change()), false);
    assertEqualsStock(cluster, "after another epoch began");
  }

  @Test
  void aKeyThatIsTooLongIsRejectedAndCostsNothingButItself() throws Exception {
    if (names().maxId() == Integer.MAX_VALUE) {
      return;
    }
    Clouddriver c = new Clouddriver("a").open();
    String longest = "x".repeat(352 - model.id(Cluster.PODS, key("")).length());
    assertThat(
            c.write(
                List.of(
                    object(Cluster.PODS, longest),
                    object(Cluster.PODS, longest + "x"),
                    object(Cluster.PODS, "short")),
                false))
        .containsExactly(WriteOutcome.STORED, WriteOutcome.REJECTED, WriteOutcome.STORED);
    assertThat(rows()).hasSize(2);
  }

  @Test
  void whatIsNoManifestIsRejectedAndItsEarlierRowGoes() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    c.write(List.of(object(Cluster.PODS, "p1")), false);
    Cluster.Change other = object(Cluster.PODS, "p2");
    Cluster.Change lie = new Cluster.Change(Cluster.PODS, key("p1"), other.object);
    assertThat(c.write(List.of(lie, object(Cluster.PODS, "p3")), false))
        .containsExactly(WriteOutcome.REJECTED, WriteOutcome.STORED);
    assertThat(rows().keySet()).containsExactly(model.id(Cluster.PODS, key("p3")));
  }

  @Test
  void anotherClusterOrARetractedAccountLeavesNothing() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    c.store.named(c.agent, Set.of(ACCOUNT));
    Cluster cluster = new Cluster(11);
    for (int i = 0; i < 60; i++) {
      c.write(List.of(cluster.change()), false);
    }
    dsl.execute(
        "insert into cats_v1_pod (id, agent, body_hash, body, last_updated) values"
            + " ('kubernetes.v2:infrastructure:pod:prod:n1:p', 'prod/Stock', 'h', '{}', 1)");
    assertThat(rows()).isNotEmpty();
    c.store.named(c.agent, Set.of());
    assertThat(rows()).isEmpty();
    for (String table : List.of("scope", "digest", "link", "account", "assignment", "named")) {
      assertThat(dsl.fetchOne("select count(*) from scale_agent_" + table).get(0, Long.class))
          .as(table)
          .isZero();
    }
    assertThat(dsl.fetch("select id from cats_v1_pod where agent = 'prod/Stock'")).hasSize(1);
  }

  @Test
  void anUnchangedAccountWritesNoRow() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    Cluster cluster = new Cluster(12);
    for (int i = 0; i < 60; i++) {
      c.write(List.of(cluster.change()), false);
    }
    long writes = dsl.fetchOne("select sum(writes) from scale_agent_scope").get(0, Long.class);
    new Clouddriver("a").open();
    assertThat(dsl.fetchOne("select sum(writes) from scale_agent_scope").get(0, Long.class))
        .isEqualTo(writes);
  }

  @Test
  void aLayoutThatIsNotKnownIsRefused() {
    dsl.execute("alter table cats_v1_resource_template add column surprise bigint");
    try {
      assertThatThrownBy(() -> new Clouddriver("a"))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("surprise");
    } finally {
      dsl.execute("alter table cats_v1_resource_template drop column surprise");
    }
  }

  private void row(String table, String id, String agent) {
    dsl.execute(
        "insert into "
            + table
            + " (id, agent, body_hash, body, last_updated) values (?, ?, 'h',"
            + " '{}', 1)",
        id,
        agent);
  }

  private CacheKeeper keeper(Clouddriver c, List<String> reopened) {
    return new CacheKeeper(
        c.database,
        c.store,
        c.tables,
        c.writer,
        true,
        3,
        1,
        (account, why) -> reopened.add(account));
  }

  @Test
  void rowsOfStockPollingGoOnceTheAgentsAreComplete() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    c.write(List.of(object(Cluster.PODS, "p1")), false);
    Set<String> stay =
        Set.of("pro_/KubernetesCoreCachingAgent[1/1]", "prod2/CustomKubernetes(X)[1/1]");
    Set<String> go =
        Set.of(
            "prod/KubernetesCoreCachingAgent[1/2]",
            "prod/KubernetesUnregisteredCustomResourceCachingAgent[1/1]",
            "prod/CustomKubernetes(Widget.example.com)[1/1]");
    stay.forEach(agent -> row("cats_v1_pod", "stock", agent));
    go.forEach(agent -> row("cats_v1_pod", "stock", agent));
    CacheKeeper keeper = keeper(c, new ArrayList<>());
    keeper.step();
    go.forEach(agent -> assertThat(ids("cats_v1_pod", agent)).as(agent).hasSize(1));
    c.store.transact(
        c.lease,
        tx -> {
          c.scopes.values().forEach(scope -> tx.checkpoint(scope, "7", new byte[0]));
          return null;
        });
    keeper.step();
    go.forEach(agent -> assertThat(ids("cats_v1_pod", agent)).as(agent).isEmpty());
    stay.forEach(agent -> assertThat(ids("cats_v1_pod", agent)).as(agent).hasSize(1));
    assertThat(rows()).hasSize(1);

    // A poll that was under way all that time ends now.
    go.forEach(agent -> row("cats_v1_pod", "stock", agent));
    keeper.step();
    go.forEach(agent -> assertThat(ids("cats_v1_pod", agent)).as(agent).isEmpty());
  }

  private List<String> ids(String table, String agent) {
    return dsl.fetch("select id from " + table + " where agent = ?", agent)
        .getValues(0, String.class);
  }

  @Test
  void whatOthersDeletedComesBack() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    Cluster cluster = new Cluster(21);
    for (int i = 0; i < 80; i++) {
      c.write(List.of(cluster.change()), false);
    }
    List<String> reopened = new ArrayList<>();
    CacheKeeper keeper = keeper(c, reopened);
    keeper.step();
    keeper.step();
    assertEqualsStock(cluster, "after nothing was to be mended");
    // What stock does when another account's last member of an application goes.
    dsl.execute("delete from cats_v1_applications");
    dsl.execute("delete from cats_v1_clusters");
    keeper.step();
    keeper.step();
    assertEqualsStock(cluster, "after applications were deleted");
    assertThat(reopened).isEmpty();
    dsl.execute("delete from cats_v1_pod");
    row("cats_v1_pod", "nobody's", CatsRowWriter.agentType(ACCOUNT));
    keeper.step();
    keeper.step();
    assertThat(reopened).containsExactly(ACCOUNT);
    assertThat(ids("cats_v1_pod", CatsRowWriter.agentType(ACCOUNT))).isEmpty();
    long pods = cluster.objects(Cluster.PODS).keySet().size();
    assertThat(
            c.store.transact(c.lease, tx -> tx.totals(c.scopes.get(Cluster.PODS.name()))).stale())
        .isPositive()
        .isLessThanOrEqualTo(pods);
  }

  @Test
  void namesThatDifferInCaseOnlyDoNotKeepTheKeeperBusy() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    c.write(List.of(object(Cluster.PODS, "web"), object(Cluster.PODS, "Web")), false);
    List<String> reopened = new ArrayList<>();
    CacheKeeper keeper = keeper(c, reopened);
    for (int i = 0; i < 6; i++) {
      keeper.step();
    }
    assertThat(reopened.size()).isLessThanOrEqualTo(1);
    c.write(List.of(new Cluster.Change(Cluster.PODS, key("Web"), null)), false);
    keeper.step();
    keeper.step();
    // One row stood for both on MySQL: the other object comes again.
    boolean there = !ids("cats_v1_pod", CatsRowWriter.agentType(ACCOUNT)).isEmpty();
    assertThat(there || reopened.contains(ACCOUNT)).isTrue();
  }

  @Test
  void aDatabaseThatCrashesLosesNothingThatWasCommitted() throws Exception {
    Clouddriver c = new Clouddriver("a").open();
    Cluster cluster = new Cluster(22);
    for (int i = 0; i < 40; i++) {
      c.write(List.of(cluster.change()), false);
    }
    server().crash();
    int failed = 0;
    for (int i = 0; i < 40; i++) {
      Cluster.Change change = cluster.change();
      while (true) {
        try {
          c.write(List.of(change), false);
          break;
        } catch (StoreUnavailableException e) {
          assertThat(++failed).isLessThan(20);
        }
      }
    }
    assertEqualsStock(cluster, "after a crash of the database");
  }

  @Test
  void accountsThatAreWrittenAtOnceDoNotHoldEachOtherUp() throws Exception {
    Clouddriver c = new Clouddriver("a");
    ExecutorService pool = Executors.newFixedThreadPool(8);
    try {
      List<Future<Cluster>> all = new ArrayList<>();
      for (int n = 0; n < 8; n++) {
        String account = "account" + n;
        all.add(pool.submit(() -> writeMany(c, account)));
      }
      for (int n = 0; n < 8; n++) {
        Map<String, StockModel.Row> expected =
            new StockModel("account" + n).rebuild(all.get(n).get(60, TimeUnit.SECONDS));
        assertThat(rows(CatsRowWriter.agentType("account" + n))).isEqualTo(expected);
      }
    } finally {
      pool.shutdownNow();
    }
  }

  private static Cluster writeMany(Clouddriver c, String account) throws FencedException {
    Cluster cluster = new Cluster(account.hashCode());
    Lease lease = c.store.open(c.agent, account, PROPERTIES, "s").lease();
    c.writer.prepare(account, Cluster.SCOPES);
    c.store.transact(lease, tx -> tx.scopes(Cluster.SCOPES));
    for (int i = 0; i < 60; i++) {
      Map<String, RowChange> batch = new HashMap<>();
      for (int n = 0; n < 5; n++) {
        Cluster.Change change = cluster.change();
        batch.put(change.scope + " " + change.key, rowChange(change));
      }
      c.store.transact(lease, tx -> c.writer.write(tx, new ArrayList<>(batch.values())));
    }
    return cluster;
  }
}
