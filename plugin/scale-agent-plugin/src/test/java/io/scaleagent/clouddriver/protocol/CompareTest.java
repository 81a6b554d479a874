// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.proto.v1.AccountReply;
import io.scaleagent.proto.v1.KnownScope;
import io.scaleagent.proto.v1.SnapshotDone;
import io.scaleagent.proto.v1.Wants;
import io.scaleagent.proto.v1.Welcome;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Sections 5 and 6 of PROTOCOL.md: sums, pages, checkpoints. */
class CompareTest extends EngineTestCase {
  private static final int PODS = FakeAgent.PODS;

  private FakeAgent a;

  /** An account with these pods. */
  private void with(String... namesAndContents) {
    a = FakeAgent.caching(engine, "agent", "prod");
    for (int i = 0; i < namesAndContents.length; i += 2) {
      a.deltas(FakeAgent.put(PODS, namesAndContents[i], namesAndContents[i + 1]));
    }
    if (namesAndContents.length > 0) {
      a.acked();
    }
  }

  private void refused(String why) {
    AccountReply r = a.reply();
    while (!r.hasRefusal()) {
      r = a.reply();
    }
    assertThat(r.getRefusal().getReason()).contains(why);
  }

  @Test
  void sumsAreComparedAtTheirPlaceInTheStream() {
    with();
    assertThat(a.inStep(PODS)).isTrue();
    a.deltas(FakeAgent.put(PODS, "web", "1"));
    a.sums(PODS, 1, FakeAgent.sum("web", "1"));
    a.deltas(FakeAgent.put(PODS, "db", "1"));
    a.sums(PODS, 1, FakeAgent.sum("web", "1"));
    assertThat(a.reply().getSums().getInStep()).isTrue();
    AccountReply second = a.reply();
    assertThat(second.getSums().getInStep()).isFalse();
    assertThat(second.getSums().getScope()).isEqualTo(PODS);
  }

  @Test
  void aPageIsAnsweredByWhatDiffers() {
    with("same", "1", "changed", "1", "ghost", "1");
    a.begin(PODS, 1);
    a.page(PODS, 1, 0, "same", "1", "changed", "2", "missing", "1", "coming anyway", "");
    Wants w = a.reply().getWants();
    assertThat(w.getIndexList()).containsExactly(1, 2);
    assertThat(w.getSnapshot()).isEqualTo(1);
    a.page(PODS, 1, 1);
    assertThat(a.reply().getWants().getPage()).isEqualTo(1);
    a.end(PODS, 1, 2);
    SnapshotDone done = a.reply().getDone();
    assertThat(done.getComplete()).isTrue();
    assertThat(done.getDeleted()).isEqualTo(1);
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Pod default/same", "Pod default/changed");
    a.deltas(FakeAgent.put(PODS, "changed", "2"), FakeAgent.put(PODS, "missing", "1"));
    a.acked();
    assertThat(a.inStep(PODS, "same", "1", "changed", "2", "missing", "1")).isTrue();
  }

  @Test
  void whatWasWrittenSinceTheBeginIsSpared() {
    with("old", "1");
    a.begin(PODS, 1);
    a.page(PODS, 1, 0);
    a.deltas(FakeAgent.put(PODS, "new", "1"));
    a.end(PODS, 1, 1);
    a.reply();
    assertThat(a.reply().getDone().getDeleted()).isEqualTo(1);
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Pod default/new");
    assertThat(a.inStep(PODS, "new", "1")).isTrue();
  }

  @Test
  void whatWasWrittenBeforeTheBeginIsNot() {
    Engine slow = engine(store, AccountPolicy.ANY, settings().gatherMillis(60_000));
    a = FakeAgent.caching(slow, "agent", "prod");
    a.inStep(PODS);
    a.deltas(FakeAgent.put(PODS, "before", "1")); // in the transaction of the snapshot
    a.begin(PODS, 1);
    a.page(PODS, 1, 0, "named", "");
    a.deltas(FakeAgent.put(PODS, "named", "1"));
    a.end(PODS, 1, 1);
    a.reply();
    a.reply();
    assertThat(a.inStep(PODS, "named", "1")).isTrue();
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Pod default/named");
  }

  @Test
  void aNewBeginCancelsAnUnfinishedSnapshot() {
    with("web", "1", "db", "1");
    a.begin(PODS, 1);
    a.page(PODS, 1, 0, "web", "1");
    a.reply();
    a.begin(PODS, 2);
    a.page(PODS, 2, 0, "db", "1");
    a.reply();
    a.end(PODS, 2, 1);
    assertThat(a.reply().getDone().getDeleted()).isEqualTo(1);
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Pod default/db");
  }

  @Test
  void aSnapshotThatDidNotBeginHereDeletesNothing() {
    with("web", "1");
    a.end(PODS, 1, 0);
    refused("did not begin");
    assertThat(db.rowsOf("prod")).hasSize(1);

    a.open("cluster-1");
    a.welcome();
    a.scopes();
    a.begin(PODS, 1);
    a.open("cluster-1"); // a new epoch: what began is forgotten
    a.welcome();
    a.scopes();
    a.end(PODS, 1, 0);
    refused("did not begin");
    assertThat(db.rowsOf("prod")).hasSize(1);
  }

  @Test
  void pagesAreCounted() {
    with("web", "1");
    a.begin(PODS, 1);
    a.page(PODS, 1, 1, "web", "1");
    refused("page 1 came where 0 was next");
    with();
    a.begin(PODS, 1);
    a.page(PODS, 1, 0);
    a.end(PODS, 1, 2);
    refused("2 pages were sent, 1 came");
    with();
    a.begin(PODS, 2);
    a.begin(PODS, 2);
    refused("snapshot 2 after 2");
    assertThat(db.rowsOf("prod")).hasSize(1);
  }

  // ---- checkpoints ----

  @Test
  void aCheckpointNeedsAScopeInStep() {
    with("web", "1");
    assertThat(a.inStep(PODS, "web", "2")).isFalse();
    a.checkpoint(PODS, "5", "f");
    refused("not known to be in step");
    assertThat(db.scope("prod", "pods").resourceVersion).isEmpty();
    with();
    assertThat(a.inStep(PODS, "web", "1")).isTrue();
    a.checkpoint(PODS, "6", "f");
    await("it is stored", () -> db.scope("prod", "pods").resourceVersion.equals("6"));
  }

  @Test
  void aWorkerMayCompareWithWelcomeByItself() {
    with("web", "1");
    with();
    a.checkpoint(PODS, "5", "f");
    await("it is stored", () -> db.scope("prod", "pods").resourceVersion.equals("5"));
    with();
    a.checkpoint(PODS, "", ""); // other settings: it does not go on from there
    a.deltas(FakeAgent.put(PODS, "web", "2"));
    a.acked();
    assertThat(db.scope("prod", "pods").resourceVersion).isEmpty();
    a.checkpoint(PODS, "6", "g");
    refused("not known to be in step");
  }

  @Test
  void aCheckpointComesWithOrAfterTheDeltasBeforeIt() {
    with();
    assertThat(a.inStep(PODS)).isTrue();
    rows.failure = new IllegalStateException("a defect");
    a.deltas(FakeAgent.put(PODS, "web", "1"));
    a.checkpoint(PODS, "5", "f");
    refused("internal error");
    assertThat(db.scope("prod", "pods").resourceVersion).isEmpty();
  }

  @Test
  void checkpointsOfManyScopesAreOneTransaction() {
    with();
    assertThat(a.inStep(PODS)).isTrue();
    assertThat(a.inStep(FakeAgent.DEPLOYMENTS)).isTrue();
    long before = db.transactions.get();
    a.checkpoint(PODS, "5", "f");
    a.checkpoint(FakeAgent.DEPLOYMENTS, "6", "f");
    await("they are stored", () -> db.scope("prod", "deployments").resourceVersion.equals("6"));
    assertThat(db.transactions.get() - before).isEqualTo(1);
  }

  @Test
  void fingerprintsAreShort() {
    with();
    a.checkpoint(PODS, "5", "f".repeat(65));
    refused("a fingerprint of 65 bytes");
  }

  // ---- settings of the conversion ----

  @Test
  void whatWasConvertedUnderOtherSettingsIsWantedAgain() {
    with("web", "1", "db", "1", "ghost", "1");
    assertThat(a.inStep(PODS, "web", "1", "db", "1", "ghost", "1")).isTrue();
    a.checkpoint(PODS, "5", "f");
    await("it is stored", () -> db.scope("prod", "pods").resourceVersion.equals("5"));
    rows.settings = "b";
    assertThat(engine.reopen("prod", "settings changed")).isTrue();
    Welcome w = a.welcome();
    KnownScope known =
        w.getScopesList().stream()
            .filter(s -> s.getName().getResource().equals("pods"))
            .findFirst()
            .orElseThrow();
    assertThat(known.getSum().toByteArray())
        .isNotEqualTo(FakeAgent.sum("web", "1", "db", "1", "ghost", "1").bytes());
    assertThat(known.getResourceVersion()).isEmpty();
    a.scopes();
    assertThat(a.inStep(PODS, "web", "1", "db", "1", "ghost", "1")).isFalse();
    assertThat(db.scope("prod", "pods").resourceVersion)
        .as("it can't come into force later")
        .isEmpty();
    a.begin(PODS, 1);
    a.page(PODS, 1, 0, "web", "1", "db", "1");
    assertThat(a.reply().getWants().getIndexList()).containsExactly(0, 1);
    a.end(PODS, 1, 1);
    assertThat(a.reply().getDone().getDeleted()).isEqualTo(1);
    a.deltas(FakeAgent.put(PODS, "web", "1"));
    assertThat(a.inStep(PODS, "web", "1", "db", "1")).isFalse();
    a.deltas(FakeAgent.put(PODS, "db", "1"));
    assertThat(a.inStep(PODS, "web", "1", "db", "1")).isTrue();
  }

  // ---- all together ----

  /** The store itself compares the totals that it is given with what is there. */
  @Test
  void totalsHoldOverRandomChanges() {
    Random random = new Random(7);
    TreeMap<String, String> cluster = new TreeMap<>();
    with();
    for (int round = 0; round < 150; round++) {
      if (random.nextInt(20) == 0) {
        rows.settings = "settings-" + random.nextInt(3);
        engine.reopen("prod", "settings changed");
        a.welcome();
        a.scopes();
      }
      for (int i = random.nextInt(6); i >= 0; i--) {
        String name = "pod-" + random.nextInt(8);
        if (random.nextInt(3) == 0) {
          cluster.remove(name);
          a.deltas(FakeAgent.gone(PODS, name));
        } else {
          cluster.put(name, String.valueOf(random.nextInt(3)));
          a.deltas(FakeAgent.put(PODS, name, cluster.get(name)));
        }
      }
      if (random.nextInt(3) == 0) {
        cluster.remove("pod-" + random.nextInt(8)); // missed by the worker
      }
      compare(cluster, round + 1);
    }
    assertThat(db.rowsOf("prod")).hasSize(cluster.size());
  }

  private void compare(TreeMap<String, String> cluster, int snapshot) {
    List<String> flat = new ArrayList<>();
    cluster.forEach((name, content) -> flat.addAll(List.of(name, content)));
    String[] now = flat.toArray(new String[0]);
    if (a.inStep(PODS, now)) {
      return;
    }
    a.begin(PODS, snapshot);
    a.page(PODS, snapshot, 0, now);
    Wants wants = a.reply().getWants();
    a.end(PODS, snapshot, 1);
    assertThat(a.reply().getDone().getComplete()).isTrue();
    for (int i : wants.getIndexList()) {
      a.deltas(FakeAgent.put(PODS, now[2 * i], now[2 * i + 1]));
    }
    assertThat(a.inStep(PODS, now)).isTrue();
  }
}
