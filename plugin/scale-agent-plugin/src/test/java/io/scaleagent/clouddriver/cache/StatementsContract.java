// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import io.scaleagent.clouddriver.protocol.DirectEpoch;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.store.Database;
import io.scaleagent.clouddriver.store.SqlAccountStore;
import io.scaleagent.clouddriver.store.TestDatabase;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * How many statements the database is given for what comes from an agent. A transaction of the
 * smallest kind has six: the account's lock, the digests that are stored, rows, digests, the
 * scope's sums with the lease's end, and the commit.
 */
@Timeout(120)
abstract class StatementsContract {
  private static final int SMALLEST = 6;
  private static final AccountProperties PROPERTIES = TestDatabase.properties("c1");

  private TestDatabase.Schema schema;
  DirectEpoch epoch;

  abstract TestDatabase server();

  abstract CatsNames names();

  /** Statements so far, commits among them. */
  abstract long statements(TestDatabase.Schema schema);

  /** How many more are counted by asking for them. */
  abstract int asking();

  @BeforeEach
  void open() throws Exception {
    schema = server().schema().withStore().withCats();
    Database database = schema.database();
    CatsTables tables = new CatsTables(names());
    ConverterSource converters =
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
    CatsRowWriter writer = new CatsRowWriter(database, tables, new ObjectMapper(), converters);
    SqlAccountStore store = new SqlAccountStore(database, "one", "", 60_000, writer);
    epoch =
        new DirectEpoch(
            store,
            writer,
            store.open(store.connect("a", "", "1", "00", ""), "prod", PROPERTIES, "s"),
            Cluster.SCOPES);
    DirectEpoch.Batch all = epoch.batch();
    put(all, Cluster.DEPLOYMENTS, "web", "", 0);
    put(all, Cluster.REPLICA_SETS, "web-v000", "Deployment/web", 0);
    for (int i = 0; i < 150; i++) {
      put(all, Cluster.PODS, "web-v000-" + i, "ReplicaSet/web-v000", 0);
    }
    all.commit();
  }

  @AfterEach
  void close() {
    if (schema != null) {
      schema.close();
    }
  }

  private static void put(
      DirectEpoch.Batch batch, ScopeType scope, String name, String owner, int state) {
    Map<String, Object> metadata = new TreeMap<>(Map.of("name", name, "namespace", "n1"));
    if (!owner.isEmpty()) {
      String[] parts = owner.split("/");
      metadata.put(
          "ownerReferences",
          List.of(Map.of("apiVersion", "apps/v1", "kind", parts[0], "name", parts[1])));
    }
    String group = scope.name().group();
    ByteBuffer object =
        Cluster.json(
            new TreeMap<>(
                Map.of(
                    "apiVersion",
                    group.isEmpty() ? scope.version() : group + "/" + scope.version(),
                    "kind",
                    scope.kind(),
                    "metadata",
                    metadata,
                    "status",
                    Map.of("state", state))));
    batch.put(scope, new ObjectKey("n1", name), object);
  }

  private long cost(DirectEpoch.Batch batch) throws Exception {
    long before = statements(schema);
    batch.commit();
    return statements(schema) - before - asking();
  }

  @Test
  void aPodThatChanges() throws Exception {
    DirectEpoch.Batch batch = epoch.batch();
    put(batch, Cluster.PODS, "web-v000-7", "ReplicaSet/web-v000", 1);
    assertThat(cost(batch)).isEqualTo(SMALLEST);
  }

  @Test
  void aHundredPodsThatChange() throws Exception {
    DirectEpoch.Batch batch = epoch.batch();
    for (int i = 0; i < 100; i++) {
      put(batch, Cluster.PODS, "web-v000-" + i, "ReplicaSet/web-v000", 1);
    }
    assertThat(cost(batch)).isEqualTo(SMALLEST);
  }

  /**
   * Two more tables of rows, and links, since this model links by all that a ReplicaSet has; sums
   * and digests of three scopes are still one statement each.
   */
  @Test
  void changesOfThreeKinds() throws Exception {
    DirectEpoch.Batch batch = epoch.batch();
    put(batch, Cluster.DEPLOYMENTS, "web", "", 1);
    put(batch, Cluster.REPLICA_SETS, "web-v000", "Deployment/web", 1);
    for (int i = 0; i < 20; i++) {
      put(batch, Cluster.PODS, "web-v000-" + i, "ReplicaSet/web-v000", 1);
    }
    assertThat(cost(batch)).isEqualTo(SMALLEST + 3);
  }

  /** A new pod has a link, and its ReplicaSet's row names it, which is read and written. */
  @Test
  void aPodThatComesAndGoes() throws Exception {
    DirectEpoch.Batch batch = epoch.batch();
    put(batch, Cluster.PODS, "web-v000-new", "ReplicaSet/web-v000", 0);
    assertThat(cost(batch)).isEqualTo(SMALLEST + 3);
    assertThat(cost(epoch.batch().delete(Cluster.PODS, new ObjectKey("n1", "web-v000-new"))))
        .isEqualTo(SMALLEST + 3);
  }

  /** Lock, scopes, commit. */
  @Test
  void checkpointsOfAllScopes() throws Exception {
    long before = statements(schema);
    epoch.checkpoints();
    assertThat(statements(schema) - before - asking()).isEqualTo(3);
  }

  @Test
  void whatIsStoredAlreadyIsNotWritten() throws Exception {
    DirectEpoch.Batch batch = epoch.batch();
    put(batch, Cluster.PODS, "web-v000-7", "ReplicaSet/web-v000", 0);
    assertThat(cost(batch)).isLessThanOrEqualTo(4);
  }
}
