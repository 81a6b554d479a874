// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.AccountMessage;
import io.scaleagent.proto.v1.AccountReply;
import io.scaleagent.proto.v1.AgentMessage;
import io.scaleagent.proto.v1.Refusal;
import io.scaleagent.proto.v1.Welcome;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Section 4 of PROTOCOL.md, as far as it is about who keeps an account. */
class AccountTest extends EngineTestCase {
  private static Refusal refusal(FakeAgent a) {
    AccountReply r = a.reply();
    assertThat(r.hasRefusal()).as("%s", r).isTrue();
    return r.getRefusal();
  }

  private static AgentMessage gone() {
    return AgentMessage.newBuilder()
        .setAccount(1)
        .setAccountGone(io.scaleagent.proto.v1.AccountGone.getDefaultInstance())
        .build();
  }

  @Test
  void everyOpenGetsANewEpoch() {
    FakeAgent a = FakeAgent.connected(engine, "agent", "prod");
    long last = 0;
    for (int i = 0; i < 5; i++) {
      a.open("cluster-1");
      Welcome w = a.welcome();
      assertThat(w.getRole()).isEqualTo(Welcome.Role.CACHING);
      assertThat(a.epoch).isGreaterThan(last);
      last = a.epoch;
    }
  }

  @Test
  void welcomeNamesWhatIsStored() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"), FakeAgent.put(FakeAgent.PODS, "db", "2"));
    assertThat(a.acked()).isNotNull();
    assertThat(a.inStep(FakeAgent.PODS, "web", "1", "db", "2")).isTrue();
    a.checkpoint(FakeAgent.PODS, "42", "print");
    await("the checkpoint is stored", () -> db.scope("prod", "pods").resourceVersion.equals("42"));
    db.clockMillis.addAndGet(1500);
    engine.close(); // keeps nothing that the next does not find

    Engine next = engine(new MemoryStore(db, "clouddriver-2"), AccountPolicy.ANY, settings());
    FakeAgent b = FakeAgent.connected(next, "agent", "prod");
    b.open("cluster-1");
    Welcome w = b.welcome();
    assertThat(w.getScopesList())
        .anySatisfy(
            s -> {
              assertThat(s.getName().getResource()).isEqualTo("pods");
              assertThat(s.getCount()).isEqualTo(2);
              assertThat(s.getSum().toByteArray())
                  .isEqualTo(FakeAgent.sum("web", "1", "db", "2").bytes());
              assertThat(s.getResourceVersion()).isEqualTo("42");
              assertThat(s.getFingerprint().toStringUtf8()).isEqualTo("print");
              assertThat(s.getAgeMs()).isEqualTo(1500);
              assertThat(s.getKind()).isEqualTo("Pod");
              assertThat(s.getVersion()).isEqualTo("v1");
              assertThat(s.getNamespaced()).isTrue();
            })
        .anySatisfy(
            s -> {
              assertThat(s.getName().getGroup()).isEqualTo("apps");
              assertThat(s.getCount()).isZero();
              assertThat(s.getResourceVersion()).isEmpty();
            });
  }

  @Test
  void messagesOfAnEarlierEpochAreIgnored() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    long before = a.epoch;
    a.open("cluster-1");
    a.welcome();
    a.send(
        before,
        AccountMessage.newBuilder()
            .setDeltas(io.scaleagent.proto.v1.Deltas.newBuilder().setFirstSequence(9)));
    a.scopes();
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    a.acked();
    assertThat(db.rowsOf("prod")).hasSize(1);
  }

  @Test
  void aWorkerThatComesAnewGivesUpWhatItHadSent() {
    Engine slow = engine(store, AccountPolicy.ANY, settings().gatherMillis(60_000));
    FakeAgent a = FakeAgent.caching(slow, "agent", "prod");
    assertThat(a.inStep(FakeAgent.PODS)).isTrue();
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    a.open("cluster-1");
    a.welcome();
    a.scopes();
    assertThat(a.inStep(FakeAgent.PODS)).isTrue(); // not acknowledged, so it is dirty there
  }

  @Test
  void anotherAgentStandsByAndTakesOver() {
    FakeAgent a = FakeAgent.caching(engine, "first", "prod");
    FakeAgent b = FakeAgent.connected(engine, "second", "prod");
    b.open("cluster-1");
    assertThat(b.welcome().getRole()).isEqualTo(Welcome.Role.STANDBY);
    assertThat(b.poll(1200)).as("nothing as long as the first is there").isNull();
    long standby = b.epoch;
    a.stream.broken("reset");
    Welcome w = b.welcome();
    assertThat(w.getRole()).isEqualTo(Welcome.Role.CACHING);
    assertThat(b.epoch).isGreaterThan(standby);
  }

  @Test
  void aWorkerThatIsGoneLeavesTheAccountToOthers() {
    FakeAgent a = FakeAgent.caching(engine, "first", "prod");
    FakeAgent b = FakeAgent.connected(engine, "second", "prod");
    b.open("cluster-1");
    b.welcome();
    a.stream.message(gone());
    assertThat(b.welcome().getRole()).isEqualTo(Welcome.Role.CACHING);
    a.open("cluster-1");
    assertThat(a.welcome().getRole()).isEqualTo(Welcome.Role.STANDBY);
  }

  @Test
  void theLeastLoadedOfTwoIsTaken() {
    FakeAgent.caching(engine, "loaded", "other");
    FakeAgent a = FakeAgent.caching(engine, "first", "prod");
    FakeAgent idle = FakeAgent.connected(engine, "idle", "prod");
    FakeAgent loaded = FakeAgent.connected(engine, "busy", "more", "prod");
    loaded.open("cluster-2");
    loaded.welcome();
    loaded.stream.message(
        AgentMessage.newBuilder()
            .setAccount(2)
            .setAccountMessage(
                AccountMessage.newBuilder()
                    .setOpen(
                        io.scaleagent.proto.v1.AccountOpen.newBuilder().setClusterId("cluster-1"))
                    .build()
                    .toByteString())
            .build());
    assertThat(loaded.welcome().getRole()).isEqualTo(Welcome.Role.STANDBY);
    idle.open("cluster-1");
    assertThat(idle.welcome().getRole()).isEqualTo(Welcome.Role.STANDBY);
    a.stream.broken("reset");
    assertThat(idle.welcome().getRole()).isEqualTo(Welcome.Role.CACHING);
    assertThat(loaded.poll(100)).isNull();
  }

  @Test
  void onStandbyNothingMayBeSent() {
    FakeAgent.caching(engine, "first", "prod");
    FakeAgent b = FakeAgent.connected(engine, "second", "prod");
    b.open("cluster-1");
    b.welcome();
    b.scopes();
    Refusal r = refusal(b);
    assertThat(r.getCode()).isEqualTo(Refusal.Code.VIOLATION);
    assertThat(r.getReason()).contains("standby");
  }

  @Test
  void standbyAtAnotherClouddriverTakesOverWhenTheFirstVanishes() {
    FakeAgent.caching(engine, "first", "prod");
    Engine other = engine(new MemoryStore(db, "clouddriver-2"), AccountPolicy.ANY, settings());
    FakeAgent b = FakeAgent.connected(other, "second", "prod");
    b.open("cluster-1");
    b.welcome();
    store.frozen = true;
    synchronized (db) {
      db.aliveUntil.put("clouddriver-1", 0L); // its lease ran out
    }
    assertThat(b.welcome().getRole()).isEqualTo(Welcome.Role.CACHING);
  }

  @Test
  void oneNameForTwoClustersIsRefused() {
    FakeAgent a = FakeAgent.caching(engine, "first", "prod");
    FakeAgent b = FakeAgent.connected(engine, "second", "prod");
    b.open("cluster-2");
    Refusal r = refusal(b);
    assertThat(r.getCode()).isEqualTo(Refusal.Code.NAME_IN_USE);
    assertThat(r.getReason()).contains("cluster-1").contains("first");
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    a.acked();
  }

  @Test
  void anAccountThatPointsToAnotherClusterBeginsEmpty() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    a.acked();
    a.open("cluster-2");
    assertThat(a.welcome().getScopesList()).isEmpty();
    assertThat(db.rowsOf("prod")).isEmpty();
  }

  @Test
  void aClientMayBringOnlyItsOwnAccounts() {
    AccountPolicy policy =
        (client, account) ->
            client.subject().equals("CN=" + account)
                ? Optional.empty()
                : Optional.of(client.subject() + " may not bring account " + account);
    Engine strict = engine(store, policy, settings());
    FakeAgent owner = new FakeAgent(strict, "owner", new Client("192.0.2.1:1", "CN=prod"));
    owner.hello(1, 1);
    owner.accounts("prod");
    owner.next();
    owner.open("cluster-1");
    owner.welcome();
    owner.scopes();
    FakeAgent thief = new FakeAgent(strict, "thief", new Client("192.0.2.2:1", "CN=dev"));
    thief.hello(1, 1);
    thief.accounts("prod");
    thief.next();
    thief.open("cluster-1");
    Refusal r = refusal(thief);
    assertThat(r.getCode()).isEqualTo(Refusal.Code.NOT_ALLOWED);
    assertThat(r.getReason()).contains("CN=dev").contains("prod");
    synchronized (db) {
      assertThat(db.account("prod").namedBy).containsExactly("owner");
    }
    owner.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    owner.acked();
  }

  @Test
  void bytesOfAnAccountThatCanNotBeDecodedCostThatAccountAlone() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.sendBytes(ByteString.copyFrom(new byte[] {-1, -1, -1}));
    assertThat(refusal(a).getCode()).isEqualTo(Refusal.Code.VIOLATION);
    assertThat(a.completed).isFalse();
    a.open("cluster-1");
    a.welcome();
  }

  @Test
  void permissionsComeAsTheyWereSent() {
    FakeAgent a = FakeAgent.connected(engine, "agent", "prod");
    a.send(
        0,
        AccountMessage.newBuilder()
            .setOpen(
                io.scaleagent.proto.v1.AccountOpen.newBuilder()
                    .setServer("api:443")
                    .setCertificateSha256(ByteString.copyFrom(new byte[] {1, (byte) 0xab}))
                    .addPermissions(
                        io.scaleagent.proto.v1.Permission.newBuilder()
                            .setPermission("READ")
                            .addRoles("dev")
                            .addRoles("ops"))
                    .addOmitKinds("Event")
                    .setOnlySpinnakerManaged(true)));
    a.welcome();
    AccountProperties p = db.account("prod").properties;
    assertThat(p.server()).isEqualTo("api:443");
    assertThat(p.certificateSha256()).isEqualTo("01ab");
    assertThat(p.permissions()).containsOnlyKeys("READ");
    assertThat(p.permissions().get("READ")).containsExactly("dev", "ops");
    assertThat(p.omitKinds()).containsExactly("Event");
    assertThat(p.onlySpinnakerManaged()).isTrue();
  }

  @Test
  void anEpochThatWasGivenToAnotherIsSaidToBeOver() {
    FakeAgent a = FakeAgent.caching(engine, "first", "prod");
    a.inStep(FakeAgent.PODS);
    store.frozen = true;
    synchronized (db) {
      db.aliveUntil.put("clouddriver-1", 0L);
    }
    MemoryStore elsewhere = new MemoryStore(db, "clouddriver-2");
    elsewhere.renew();
    AgentConnection b = elsewhere.connect("second", "", "0.1.0", "00", "192.0.2.9:1");
    Opening o = elsewhere.open(b, "prod", db.account("prod").properties, "a");
    assertThat(o.decision()).isEqualTo(Opening.Decision.CACHING);
    a.deltas(FakeAgent.put(FakeAgent.PODS, "ghost", "1"));
    assertThat(refusal(a).getCode()).isEqualTo(Refusal.Code.FENCED);
    assertThat(db.rowsOf("prod")).isEmpty();
    a.open("cluster-1");
    assertThat(a.welcome().getRole()).isEqualTo(Welcome.Role.STANDBY);
  }

  @Test
  void aCommitThatIsOvertakenWritesNothing() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.inStep(FakeAgent.PODS);
    store.beforeCommit =
        () -> {
          synchronized (db) {
            db.aliveUntil.put("clouddriver-1", 0L); // it stood still past its lease
          }
        };
    a.deltas(FakeAgent.put(FakeAgent.PODS, "ghost", "1"));
    Refusal r = refusal(a);
    assertThat(r.getCode()).isEqualTo(Refusal.Code.FENCED);
    assertThat(db.rowsOf("prod")).isEmpty();
    assertThat(db.digestWrites.get()).isEqualTo(1); // undone
    store.beforeCommit = () -> {};
    store.renew();
    a.open("cluster-1");
    assertThat(a.welcome().getRole()).isEqualTo(Welcome.Role.CACHING);
  }

  /** One that does not change at that moment would not hear of it by a commit that is refused. */
  @Test
  void anAccountAtRestIsOpenedAnewWhenAllLeasesWereLost() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.inStep(FakeAgent.PODS);
    long before = a.epoch;
    synchronized (db) {
      db.aliveUntil.put("clouddriver-1", 0L); // it stood still past its lease
    }
    assertThat(a.welcome().getRole()).isEqualTo(Welcome.Role.CACHING);
    assertThat(a.epoch).isGreaterThan(before);
  }

  @Test
  void aNewEpochCanBeAskedForHere() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.inStep(FakeAgent.PODS);
    long before = a.epoch;
    assertThat(engine.reopen("prod", "settings changed")).isTrue();
    a.welcome();
    assertThat(a.epoch).isGreaterThan(before);
    assertThat(engine.reopen("unknown", "settings changed")).isFalse();
    assertThat(store.unkept(Set.of("prod"))).isEmpty();
  }

  @Test
  void anErrorOfTheStoreCostsTheStreamAndLosesNothing() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.inStep(FakeAgent.PODS);
    db.down = true;
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    assertThat(a.next().getGoodbye().getReason()).contains("database");
    db.down = false;
    assertThat(db.rowsOf("prod")).isEmpty();
    FakeAgent b = FakeAgent.caching(engine, "agent", "prod");
    b.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    b.acked();
  }

  @Test
  void anErrorOfTheWriterCostsItsAccountAlone() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.inStep(FakeAgent.PODS);
    rows.failure = new IllegalStateException("a defect");
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    assertThat(refusal(a).getCode()).isEqualTo(Refusal.Code.UNSPECIFIED);
    rows.failure = null;
    a.open("cluster-1");
    a.welcome();
    a.scopes();
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    a.acked();
    assertThat(db.rowsOf("prod")).hasSize(1);
  }
}
