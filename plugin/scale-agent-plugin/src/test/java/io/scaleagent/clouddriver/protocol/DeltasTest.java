// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.AccountMessage;
import io.scaleagent.proto.v1.AccountReply;
import io.scaleagent.proto.v1.Delta;
import io.scaleagent.proto.v1.Refusal;
import io.scaleagent.proto.v1.Scopes;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/**
 * Section 4 of PROTOCOL.md, as far as it is about what an account sends: order, sequence, credit,
 * parts.
 */
class DeltasTest extends EngineTestCase {
  private static final int PODS = FakeAgent.PODS;

  private void refused(String why, Consumer<FakeAgent> what) {
    FakeAgent a = FakeAgent.caching(engine, "agent-" + why, "account-" + why);
    what.accept(a);
    AccountReply r = a.reply();
    while (r.hasWants() || r.hasSums()) {
      r = a.reply();
    }
    assertThat(r.hasRefusal()).as("%s", r).isTrue();
    assertThat(r.getRefusal().getCode()).isEqualTo(Refusal.Code.VIOLATION);
    assertThat(r.getRefusal().getReason()).contains(why);
    assertThat(r.getEpoch()).isEqualTo(a.epoch);
    assertThat(a.completed).as("the stream goes on").isFalse();
    a.open("cluster-1");
    a.welcome();
  }

  @Test
  void rowsAreThereBeforeTheAcknowledgement() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(FakeAgent.put(PODS, "web", "1"), FakeAgent.put(PODS, "db", "1"));
    AccountReply ack = a.acked();
    assertThat(ack.getEpoch()).isEqualTo(a.epoch);
    assertThat(db.rowsOf("prod"))
        .containsEntry("Pod default/web", FakeAgent.object("web", "1"))
        .containsEntry("Pod default/db", FakeAgent.object("db", "1"))
        .hasSize(2);
    a.deltas(
        FakeAgent.put(PODS, "web", "2"),
        FakeAgent.gone(PODS, "db"),
        FakeAgent.gone(PODS, "never seen"));
    a.acked();
    assertThat(db.rowsOf("prod"))
        .containsEntry("Pod default/web", FakeAgent.object("web", "2"))
        .hasSize(1);
  }

  @Test
  void anObjectThatIsThereIsNotWrittenAgain() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(FakeAgent.put(PODS, "web", "1"));
    a.acked();
    long rowWrites = db.rowWrites.get();
    long digestWrites = db.digestWrites.get();
    a.deltas(FakeAgent.put(PODS, "web", "1"));
    a.acked();
    assertThat(db.rowWrites.get()).isEqualTo(rowWrites);
    assertThat(db.digestWrites.get()).isEqualTo(digestWrites);
  }

  @Test
  void severalChangesOfAnObjectInOneTransactionAreOneWrite() {
    Engine slow = engine(store, AccountPolicy.ANY, settings().gatherMillis(300));
    FakeAgent a = FakeAgent.caching(slow, "agent", "prod");
    a.inStep(PODS);
    a.deltas(FakeAgent.put(PODS, "web", "1"));
    a.deltas(
        FakeAgent.put(PODS, "web", "2"),
        FakeAgent.gone(PODS, "web"),
        FakeAgent.put(PODS, "gone", "1"));
    a.deltas(FakeAgent.put(PODS, "web", "3"), FakeAgent.gone(PODS, "gone"));
    a.acked();
    assertThat(db.rowWrites.get()).isEqualTo(1);
    assertThat(db.rowsOf("prod"))
        .containsEntry("Pod default/web", FakeAgent.object("web", "3"))
        .hasSize(1);
    assertThat(a.inStep(PODS, "web", "3")).isTrue();
  }

  @Test
  void aChangeAfterARestWaitsForNoOther() throws InterruptedException {
    Engine slow =
        engine(store, AccountPolicy.ANY, settings().gatherMillis(60_000).restMillis(3000));
    FakeAgent a = FakeAgent.caching(slow, "agent", "prod");
    a.inStep(PODS);
    Thread.sleep(3100);
    a.deltas(FakeAgent.put(PODS, "web", "1"));
    a.acked();
    // The acknowledgement goes out before its transaction's thread rests: a change that comes
    // between these two is taken along.
    Thread.sleep(300);
    a.deltas(FakeAgent.put(PODS, "other", "1")); // soon after it: this one waits
    Thread.sleep(50);
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Pod default/web");
  }

  @Test
  void whatIsFilteredOrRejectedCountsInTheSums() {
    rows.filtered = c -> c.key().name().equals("other");
    rows.rejected = c -> c.key().name().equals("bad");
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(
        FakeAgent.put(PODS, "web", "1"),
        FakeAgent.put(PODS, "other", "1"),
        FakeAgent.put(PODS, "bad", "1"));
    a.acked();
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Pod default/web");
    assertThat(a.inStep(PODS, "web", "1", "other", "1", "bad", "1")).isTrue();
    assertThat(db.scope("prod", "pods").digests.get(new ObjectKey("default", "other")).outcome())
        .isEqualTo(WriteOutcome.FILTERED);
    assertThat(db.scope("prod", "pods").digests.get(new ObjectKey("default", "bad")).outcome())
        .isEqualTo(WriteOutcome.REJECTED);
  }

  @Test
  void aRetriedTransactionIsTheSameInTheEnd() {
    store.retries = 2;
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(FakeAgent.put(PODS, "web", "1"), FakeAgent.put(PODS, "ghost", "1"));
    a.acked();
    a.begin(PODS, 1);
    a.page(PODS, 1, 0, "web", "1");
    a.end(PODS, 1, 1);
    assertThat(a.reply().getWants().getIndexList()).isEmpty();
    assertThat(a.reply().getDone().getDeleted()).isEqualTo(1);
    assertThat(a.inStep(PODS, "web", "1")).isTrue();
    assertThat(db.rowsOf("prod")).hasSize(1);
  }

  // ---- credit ----

  @Test
  void creditIsGivenBackByTheCommit() {
    Engine small = engine(store, AccountPolicy.ANY, settings().creditBytes(Limits.MESSAGE_BYTES));
    FakeAgent a = FakeAgent.caching(small, "agent", "prod");
    assertThat(a.credit).isEqualTo(Limits.MESSAGE_BYTES);
    a.sent = 0; // Scopes needed none
    String large = "x".repeat(100_000);
    for (int i = 0; i < 10; i++) {
      a.deltas(FakeAgent.put(PODS, "web", large + i));
      a.acked();
      assertThat(a.credit - a.sent).isEqualTo(Limits.MESSAGE_BYTES);
    }
  }

  @Test
  void manyAccountsShareWhatThereIs() {
    Engine small =
        engine(
            store,
            AccountPolicy.ANY,
            settings().creditTotalBytes(3L * Limits.MESSAGE_BYTES).creditBytes(1 << 20));
    assertThat(FakeAgent.caching(small, "first", "one").credit)
        .isEqualTo(3L * Limits.MESSAGE_BYTES);
    FakeAgent.caching(small, "second", "two");
    FakeAgent.caching(small, "third", "three");
    assertThat(FakeAgent.caching(small, "fourth", "four").credit).isEqualTo(Limits.MESSAGE_BYTES);
  }

  @Test
  void whoSendsBeyondItsCreditIsRefused() {
    db.accounts.clear();
    String large = "x".repeat(200_000);
    store.beforeCommit =
        () -> {
          try {
            Thread.sleep(300); // so that no credit comes back meanwhile
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
        };
    refused(
        "were granted",
        a -> {
          for (int i = 0; i < 6; i++) {
            a.deltas(FakeAgent.put(PODS, "web", large + i));
          }
        });
  }

  @Test
  void aMessageOfDeltasIsAtMost256KiB() {
    refused("262144", a -> a.deltas(FakeAgent.put(PODS, "web", "x".repeat(262_144))));
  }

  @Test
  void messagesThatNeedNoCreditAreBoundedToo() {
    CountDownLatch sent = new CountDownLatch(1);
    store.beforeCommit =
        () -> {
          try {
            sent.await(30, TimeUnit.SECONDS);
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
        };
    refused(
        "messages wait",
        a -> {
          Scopes.Builder many = Scopes.newBuilder();
          for (int i = 100; i <= 3_000; i++) {
            many.addScopes(FakeAgent.scope(i, "group", "resource" + i, "K"));
          }
          for (int i = 0; i < 100; i++) {
            a.send(AccountMessage.newBuilder().setScopes(many));
          }
          store.beforeCommit = () -> {};
          sent.countDown();
        });
  }

  // ---- order ----

  @Test
  void aGapInTheSequenceIsAViolation() {
    refused(
        "deltas begin at",
        a -> {
          a.deltas(FakeAgent.put(PODS, "web", "1"));
          a.sequence++;
          a.deltas(FakeAgent.put(PODS, "web", "2"));
        });
  }

  @Test
  void scopesComeFirst() {
    FakeAgent a = FakeAgent.connected(engine, "agent", "prod");
    a.open("cluster-1");
    a.welcome();
    a.sums(PODS, 0, Digest.ZERO);
    assertThat(a.reply().getRefusal().getReason()).contains("before Scopes");
  }

  @Test
  void scopesAreNumberedOnceAndNamedOnce() {
    refused(
        "is named twice",
        a ->
            a.send(
                AccountMessage.newBuilder()
                    .setScopes(
                        Scopes.newBuilder()
                            .addScopes(FakeAgent.scope(5, "", "pods", "Pod"))
                            .addScopes(FakeAgent.scope(6, "", "pods", "Pod")))));
    refused(
        "scope 1 was",
        a ->
            a.send(
                AccountMessage.newBuilder()
                    .setScopes(
                        Scopes.newBuilder()
                            .addScopes(FakeAgent.scope(1, "", "services", "Service")))));
    refused("scope 9 was not named", a -> a.deltas(FakeAgent.put(9, "web", "1")));
    refused("scope 8 was not named", a -> a.begin(8, 1));
  }

  private static AccountMessage.Builder part(int from, int to, boolean more) {
    Scopes.Builder b = Scopes.newBuilder().setMore(more);
    for (int i = from; i < to; i++) {
      b.addScopes(FakeAgent.scope(i, "group", "resource" + i, "Kind" + i));
    }
    return AccountMessage.newBuilder().setScopes(b);
  }

  @Test
  void aListOfScopesInPartsIsOne() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(FakeAgent.put(PODS, "web", "1"));
    a.acked();
    a.send(part(100, 3000, true));
    assertThat(a.poll(100)).isNull();
    assertThat(db.rowsOf("prod")).as("nothing is deleted before the last").hasSize(1);
    a.send(part(3000, 6000, false));
    a.deltas(FakeAgent.put(5999, "web", "1"));
    assertThat(a.inStep(5999, "web", "1")).isTrue();
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Kind5999 default/web");

    a.open("cluster-1");
    int known = 0;
    int parts = 0;
    io.scaleagent.proto.v1.Welcome w;
    do {
      w = a.welcome();
      known += w.getScopesCount();
      parts++;
      assertThat(w.getSerializedSize()).isLessThan(Limits.MESSAGE_BYTES);
    } while (w.getMore());
    assertThat(known).isEqualTo(5900);
    assertThat(parts).isGreaterThan(1);
  }

  @Test
  void partsOfAListFollowEachOther() {
    refused(
        "amid the list",
        a -> {
          a.send(part(100, 200, true));
          a.sums(PODS, 0, Digest.ZERO);
        });
    refused("is empty", a -> a.send(part(100, 100, true)));
    refused(
        "more than 20000",
        a -> {
          for (int i = 0; i < 8; i++) {
            a.send(part(100 + 3000 * i, 3100 + 3000 * i, true));
          }
        });
  }

  @Test
  void anObjectUnderWayGoesWithItsScope() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    ByteString whole = ByteString.copyFromUtf8(FakeAgent.object("big", "x".repeat(1000)));
    a.deltas(part("big", whole, 0, 500));
    a.send(
        AccountMessage.newBuilder()
            .setScopes(
                Scopes.newBuilder()
                    .addScopes(FakeAgent.scope(2, "apps", "deployments", "Deployment"))));
    a.deltas(FakeAgent.put(2, "web", "1"));
    assertThat(a.reachedAck()).isEqualTo(2);
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Deployment default/web");
  }

  @Test
  void deltasAreOfTheirScopesNamespace() {
    refused(
        "is not of pods in kube-system",
        a -> {
          a.send(
              AccountMessage.newBuilder()
                  .setScopes(
                      Scopes.newBuilder()
                          .addScopes(
                              FakeAgent.scope(3, "", "pods", "Pod").toBuilder()
                                  .setName(
                                      io.scaleagent.proto.v1.ScopeName.newBuilder()
                                          .setResource("pods")
                                          .setNamespace("kube-system")))));
          a.deltas(FakeAgent.put(3, "web", "1"));
        });
  }

  @Test
  void deltasAreWhole() {
    refused("a digest of 0 bytes", a -> a.deltas(FakeAgent.put(PODS, "web", "1").clearDigest()));
    refused("a delta has no name", a -> a.deltas(FakeAgent.put(PODS, "", "1")));
    refused("has a body", a -> a.deltas(FakeAgent.put(PODS, "web", "1").setDeleted(true)));
    refused("no delta is in it", FakeAgent::deltas);
    refused(
        "a sum of 3 bytes",
        a ->
            a.send(
                AccountMessage.newBuilder()
                    .setSums(
                        io.scaleagent.proto.v1.Sums.newBuilder()
                            .setScope(PODS)
                            .setSum(ByteString.copyFrom(new byte[3])))));
  }

  @Test
  void whatIsStoredOutsideTheScopesIsDeleted() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(FakeAgent.put(PODS, "web", "1"), FakeAgent.put(FakeAgent.DEPLOYMENTS, "web", "1"));
    a.acked();
    a.send(
        AccountMessage.newBuilder()
            .setScopes(
                Scopes.newBuilder()
                    .addScopes(FakeAgent.scope(2, "apps", "deployments", "Deployment"))));
    assertThat(a.inStep(2, "web", "1")).isTrue();
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Deployment default/web");
    assertThat(db.scope("prod", "pods")).isNull();
  }

  @Test
  void changesBeforeAndAfterNewScopesInOneTransactionGoWhereTheyBelong() {
    Engine slow = engine(store, AccountPolicy.ANY, settings().gatherMillis(60_000));
    FakeAgent a = FakeAgent.caching(slow, "agent", "prod");
    a.inStep(PODS);
    a.deltas(FakeAgent.put(PODS, "web", "1"), FakeAgent.put(FakeAgent.DEPLOYMENTS, "web", "1"));
    a.send(
        AccountMessage.newBuilder()
            .setScopes(
                Scopes.newBuilder()
                    .addScopes(FakeAgent.scope(2, "apps", "deployments", "Deployment"))
                    .addScopes(FakeAgent.scope(4, "", "services", "Service"))));
    a.deltas(FakeAgent.put(4, "web", "1"));
    assertThat(a.inStep(4, "web", "1")).isTrue();
    assertThat(db.rowsOf("prod")).containsOnlyKeys("Deployment default/web", "Service default/web");
  }

  // ---- parts ----

  private static Delta.Builder part(String name, ByteString whole, int from, int to) {
    Delta.Builder d =
        FakeAgent.put(PODS, name, "")
            .setObject(whole.substring(from, to))
            .setObjectSize(whole.size())
            .setObjectOffset(from)
            .clearDigest();
    if (to == whole.size()) {
      d.setDigest(ByteString.copyFrom(FakeAgent.digest(whole.toStringUtf8()).bytes()));
    }
    return d;
  }

  @Test
  void anObjectInPartsIsAcknowledgedAsAWhole() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    ByteString whole = ByteString.copyFromUtf8(FakeAgent.object("big", "x".repeat(600_000)));
    a.deltas(FakeAgent.put(PODS, "web", "1"));
    a.deltas(part("big", whole, 0, 200_000));
    a.deltas(part("big", whole, 200_000, 400_000));
    long before = a.credit;
    AccountReply r = a.anyReply();
    while (a.credit - before < 400_000) {
      assertThat(r.getAck().getSequence()).as("not the first parts").isLessThanOrEqualTo(1);
      r = a.anyReply();
    }
    assertThat(db.rowsOf("prod")).hasSize(1);
    a.deltas(part("big", whole, 400_000, whole.size()), FakeAgent.put(PODS, "last", "1"));
    a.acked();
    assertThat(db.rowsOf("prod")).containsEntry("Pod default/big", whole.toStringUtf8()).hasSize(3);
  }

  @Test
  void partsFollowEachOther() {
    ByteString whole = ByteString.copyFromUtf8(FakeAgent.object("big", "x".repeat(1000)));
    refused(
        "another delta came between",
        a -> a.deltas(part("big", whole, 0, 500), FakeAgent.put(PODS, "web", "1")));
    refused(
        "a delete came between",
        a -> a.deltas(part("big", whole, 0, 500), FakeAgent.gone(PODS, "web")));
    refused(
        "does not fit", a -> a.deltas(part("big", whole, 0, 500), part("big", whole, 600, 700)));
    refused(
        "does not fit to those",
        a -> a.deltas(part("big", whole, 0, 500), part("other", whole, 500, 700)));
    refused(
        "not the last has a digest",
        a -> a.deltas(part("big", whole, 0, 500).setDigest(FakeAgent.digestBytes("big", ""))));
    refused(
        "may be",
        a -> a.deltas(part("big", whole, 0, 500).setObjectSize(Limits.OBJECT_BYTES + 1L)));
    refused(
        "amid an object",
        a -> {
          a.deltas(part("big", whole, 0, 500));
          a.checkpoint(PODS, "1", "f");
        });
  }
}
