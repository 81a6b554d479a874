// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.scaleagent.proto.v1.AccountGone;
import io.scaleagent.proto.v1.AccountMessage;
import io.scaleagent.proto.v1.AccountOpen;
import io.scaleagent.proto.v1.AgentMessage;
import io.scaleagent.proto.v1.GetOperation;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationCancel;
import io.scaleagent.proto.v1.OperationResult;
import io.scaleagent.proto.v1.OperationResult.Code;
import io.scaleagent.proto.v1.PluginMessage;
import io.scaleagent.proto.v1.ScaleOperation;
import io.scaleagent.proto.v1.Welcome;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;

/** Operations from the plugin's side of a stream. */
class OperationsTest extends EngineTestCase {
  private static final int LONG = 20_000;

  private static ByteString id(int n) {
    byte[] id = new byte[16];
    id[15] = (byte) n;
    return ByteString.copyFrom(id);
  }

  private static Operation get(int n) {
    return Operation.newBuilder()
        .setId(id(n))
        .setName("get")
        .setGet(GetOperation.getDefaultInstance())
        .build();
  }

  private static Operation scale(int n) {
    return Operation.newBuilder()
        .setId(id(n))
        .setName("scale")
        .setScale(ScaleOperation.newBuilder().setReplicas(2))
        .build();
  }

  /** The next operation that the agent is given, after whatever else comes. */
  private static Operation given(FakeAgent a) throws InvalidProtocolBufferException {
    while (true) {
      PluginMessage m = a.next();
      if (m.getBodyCase() == PluginMessage.BodyCase.OPERATION) {
        assertThat(m.getAccount()).isEqualTo(1);
        return Operation.parseFrom(m.getOperation());
      }
      assertThat(m.getBodyCase()).isEqualTo(PluginMessage.BodyCase.ACCOUNT_REPLY);
    }
  }

  private static ByteString cancelled(FakeAgent a) throws InvalidProtocolBufferException {
    PluginMessage m = a.next();
    assertThat(m.getBodyCase()).isEqualTo(PluginMessage.BodyCase.OPERATION_CANCEL);
    return OperationCancel.parseFrom(m.getOperationCancel()).getId();
  }

  private static void result(FakeAgent a, OperationResult.Builder r) {
    a.stream.message(
        AgentMessage.newBuilder()
            .setAccount(1)
            .setOperationResult(r.build().toByteString())
            .build());
  }

  private static OperationResult.Builder ok(int n) {
    return OperationResult.newBuilder().setId(id(n)).setCode(Code.OK).setLast(true);
  }

  private static OperationResult.Builder part(int n, long offset, String body) {
    return OperationResult.newBuilder()
        .setId(id(n))
        .setOffset(offset)
        .setBody(ByteString.copyFromUtf8(body));
  }

  private static OperationResult of(CompletableFuture<OperationResult> f) throws Exception {
    return f.get(5, TimeUnit.SECONDS);
  }

  private static OperationLostException lost(CompletableFuture<OperationResult> f) {
    try {
      throw new AssertionError("there is a result: " + of(f));
    } catch (ExecutionException e) {
      return (OperationLostException) e.getCause();
    } catch (Exception e) {
      throw new AssertionError("it was not lost", e);
    }
  }

  private static boolean pending(CompletableFuture<OperationResult> f) throws Exception {
    try {
      f.get(60, TimeUnit.MILLISECONDS);
      return false;
    } catch (TimeoutException e) {
      return true;
    }
  }

  // ---- answers ----

  @Test
  void theWorkerOfTheAccountAnswers() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", get(1), 10_000);
    Operation o = given(a);
    assertThat(o.getId()).isEqualTo(id(1));
    assertThat(o.getTimeoutMs()).isBetween(1, 9_000);
    result(a, ok(1).setBody(ByteString.copyFromUtf8("{}")).setUid("u"));
    assertThat(of(f).getBody().toStringUtf8()).isEqualTo("{}");
    assertThat(of(f).getUid()).isEqualTo("u");
  }

  @Test
  void partsAreOneResult() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> one = engine.operate("prod", get(1), LONG);
    CompletableFuture<OperationResult> two = engine.operate("prod", get(2), LONG);
    result(a, part(1, 0, "ab"));
    result(a, part(2, 0, "xyz"));
    result(a, part(1, 2, "c"));
    assertThat(one).isNotDone();
    result(a, part(2, 3, "").setLast(true).setCode(Code.OK));
    result(a, part(1, 3, "d").setLast(true).setCode(Code.NOT_FOUND).setMessage("no"));
    assertThat(of(one).getBody().toStringUtf8()).isEqualTo("abcd");
    assertThat(of(one).getCode()).isEqualTo(Code.NOT_FOUND);
    assertThat(of(one).getMessage()).isEqualTo("no");
    assertThat(of(two).getBody().toStringUtf8()).isEqualTo("xyz");
  }

  @Test
  void anAccountOnStandbyAnswersTooButItsKeeperFirst() throws Exception {
    FakeAgent keeper = FakeAgent.caching(engine, "keeper", "prod");
    FakeAgent other = FakeAgent.connected(engine, "other", "prod");
    other.open("cluster-1");
    other.welcome();
    engine.operate("prod", get(1), LONG);
    assertThat(given(keeper).getId()).isEqualTo(id(1));
    keeper.stream.broken("cut");
    await("the other keeps it", () -> other.poll(10) != null);
    CompletableFuture<OperationResult> f = engine.operate("prod", get(2), LONG);
    assertThat(given(other).getId()).isEqualTo(id(2));
    result(other, ok(2));
    assertThat(of(f).getCode()).isEqualTo(Code.OK);
  }

  @Test
  void anAccountThatAnotherClouddriverKeepsIsServedByTheAgentThatStandsByHere() throws Exception {
    FakeAgent keeper = FakeAgent.caching(engine, "keeper", "prod");
    Engine here = engine(new MemoryStore(db, "clouddriver-2"), AccountPolicy.ANY, settings());
    FakeAgent standby = FakeAgent.connected(here, "standby", "prod");
    assertThat(here.serves("prod")).isFalse();
    standby.open("cluster-1");
    assertThat(standby.welcome().getRole()).isEqualTo(Welcome.Role.STANDBY);
    await("it is served here", () -> here.serves("prod"));
    CompletableFuture<OperationResult> f = here.operate("prod", get(1), LONG);
    assertThat(given(standby).getId()).isEqualTo(id(1));
    result(standby, ok(1));
    assertThat(of(f).getCode()).isEqualTo(Code.OK);
    assertThat(keeper.poll(10)).isNull();
  }

  @Test
  void whatNobodyAskedForIsPassedOver() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", get(1), LONG);
    result(a, ok(7));
    result(a, part(8, 5, "x"));
    assertThat(pending(f)).isTrue();
    result(a, ok(1));
    result(a, ok(1));
    assertThat(of(f).getCode()).isEqualTo(Code.OK);
    assertThat(engine.serves("prod")).isTrue();
  }

  @Test
  void anIdIsUnderWayOnce() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> first = engine.operate("prod", scale(1), LONG);
    assertThat(lost(engine.operate("prod", scale(1), LONG)).begun()).isFalse();
    result(a, ok(1));
    assertThat(of(first).getCode()).isEqualTo(Code.OK);
  }

  @Test
  void anOperationHasItsIdAndTime() {
    Operation none = get(1).toBuilder().setId(ByteString.EMPTY).build();
    assertThatThrownBy(() -> engine.operate("prod", none, LONG))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> engine.operate("prod", get(1), 0))
        .isInstanceOf(IllegalArgumentException.class);
  }

  // ---- commits ----

  @Test
  void theAnswerComesAfterTheCommitOfWhatWasChanged() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), LONG);
    result(a, ok(1).setEpoch(a.epoch).setSequence(1));
    assertThat(pending(f)).isTrue();
    assertThat(db.rowsOf("prod")).isEmpty();
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "2"));
    assertThat(of(f).getCode()).isEqualTo(Code.OK);
    assertThat(db.rowsOf("prod")).hasSize(1);
  }

  @Test
  void whatIsCommittedAlreadyIsNotWaitedFor() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "2"));
    a.acked();
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), LONG);
    result(a, ok(1).setEpoch(a.epoch).setSequence(1));
    assertThat(of(f).getCode()).isEqualTo(Code.OK);
  }

  @Test
  void anEpochThatIsOverIsNotWaitedFor() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> old = engine.operate("prod", scale(1), LONG);
    result(a, ok(1).setEpoch(a.epoch - 1).setSequence(9));
    assertThat(of(old).getCode()).isEqualTo(Code.OK);
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(2), LONG);
    result(a, ok(2).setEpoch(a.epoch).setSequence(9));
    assertThat(pending(f)).isTrue();
    engine.reopen("prod", "test");
    assertThat(of(f).getCode()).isEqualTo(Code.OK);
  }

  @Test
  void aCommitThatDoesNotComeIsNotWaitedForBeyondTheLimit() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), 300);
    result(a, ok(1).setEpoch(a.epoch).setSequence(9));
    assertThat(pending(f)).isTrue();
    assertThat(of(f).getCode()).isEqualTo(Code.OK);
  }

  @Test
  void somethingDoneIsDoneThoughTheStreamEndsBeforeItsCommit() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), LONG);
    result(a, ok(1).setEpoch(a.epoch).setSequence(9));
    a.stream.broken("cut");
    assertThat(of(f).getCode()).isEqualTo(Code.OK);
  }

  // ---- ends ----

  @Test
  void withoutAnAgentNothingIsBegun() {
    assertThat(engine.serves("prod")).isFalse();
    OperationLostException e = lost(engine.operate("prod", get(1), LONG));
    assertThat(e.begun()).isFalse();
    assertThat(e).hasMessageContaining("prod").hasMessageContaining("connected");
  }

  @Test
  void anAccountThatIsNotAcceptedGetsNoOperation() {
    Engine strict =
        engine(store, (client, account) -> java.util.Optional.of("not this one"), settings());
    FakeAgent a = FakeAgent.connected(strict, "agent", "prod");
    assertThat(strict.serves("prod")).isFalse(); // before it is opened
    a.open("cluster-1");
    assertThat(a.reply().hasRefusal()).isTrue();
    assertThat(strict.serves("prod")).isFalse();
    assertThat(lost(strict.operate("prod", scale(1), LONG)).begun()).isFalse();
    assertThat(a.poll(50)).isNull();
  }

  @Test
  void timeIsUp() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), 200);
    given(a);
    OperationLostException e = lost(f);
    assertThat(e.begun()).isTrue();
    assertThat(e).hasMessageContaining("agent").hasMessageContaining("200 ms");
    assertThat(cancelled(a)).isEqualTo(id(1));
    result(a, ok(1)); // late; nothing happens
    assertThat(engine.serves("prod")).isTrue();
  }

  @Test
  void whoDoesNotWaitAnyMoreTellsTheAgent() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), LONG);
    given(a);
    assertThat(f.cancel(true)).isTrue();
    assertThat(cancelled(a)).isEqualTo(id(1));
    result(a, ok(1).setCode(Code.CANCELLED));
    CompletableFuture<OperationResult> again = engine.operate("prod", scale(1), LONG);
    given(a);
    result(a, ok(1));
    assertThat(of(again).getCode()).isEqualTo(Code.OK);
  }

  @Test
  void theStreamEndsBeforeAnyPartAndAmidThem() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> none = engine.operate("prod", scale(1), LONG);
    CompletableFuture<OperationResult> some = engine.operate("prod", get(2), LONG);
    result(a, part(2, 0, "ab"));
    a.stream.broken("cut");
    assertThat(lost(none).begun()).isTrue();
    assertThat(lost(some)).hasMessageContaining("agent agent").hasMessageContaining("ended");
    assertThat(engine.serves("prod")).isFalse();
  }

  @Test
  void theAccountIsNoMoreNamed() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), LONG);
    a.accounts("");
    assertThat(lost(f).begun()).isTrue();
  }

  @Test
  void theWorkerEnds() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), LONG);
    given(a);
    a.stream.message(
        AgentMessage.newBuilder()
            .setAccount(1)
            .setAccountGone(AccountGone.newBuilder().setReason("signal 11"))
            .build());
    assertThat(lost(f).begun()).isTrue();
    assertThat(lost(f)).hasMessageContaining("signal 11");
    assertThat(lost(engine.operate("prod", scale(2), LONG)).begun()).isFalse();
    a.open("cluster-1");
    a.welcome();
    CompletableFuture<OperationResult> next = engine.operate("prod", scale(3), LONG);
    given(a);
    result(a, ok(3));
    assertThat(of(next).getCode()).isEqualTo(Code.OK);
  }

  private static void open(FakeAgent a, int instance) {
    byte[] bytes = new byte[16];
    bytes[0] = (byte) instance;
    a.send(
        0,
        AccountMessage.newBuilder()
            .setOpen(AccountOpen.newBuilder().setInstance(ByteString.copyFrom(bytes))));
  }

  @Test
  void anotherWorkerComesAndTheSameOneComesAgain() throws Exception {
    FakeAgent a = FakeAgent.connected(engine, "agent", "prod");
    open(a, 1);
    a.welcome();
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), LONG);
    given(a);
    open(a, 1);
    a.welcome();
    assertThat(pending(f)).isTrue(); // operations are not of an epoch
    open(a, 2);
    assertThat(lost(f)).hasMessageContaining("anew");
    a.welcome();
    assertThat(engine.operate("prod", scale(2), LONG)).isNotDone();
  }

  @Test
  void theWorkerThatHadALostOperationIsNamedWhenItIsAskedForAgain() throws Exception {
    FakeAgent a = FakeAgent.connected(engine, "agent", "prod");
    open(a, 1);
    a.welcome();
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), LONG);
    assertThat(given(a).getInstance()).isEqualTo(ByteString.EMPTY);
    a.stream.broken("cut");
    assertThat(lost(f).begun()).isTrue();
    FakeAgent again = FakeAgent.connected(engine, "agent", "prod");
    open(again, 2);
    again.welcome();
    ByteString any = ByteString.copyFrom(new byte[16]);
    engine.operate("prod", scale(1).toBuilder().setInstance(any).build(), LONG);
    ByteString asked = given(again).getInstance();
    assertThat(asked.byteAt(0)).isEqualTo((byte) 1);
    engine.operate("prod", scale(2).toBuilder().setInstance(any).build(), LONG);
    assertThat(given(again).getInstance()).isEqualTo(any); // that no worker has
  }

  // ---- bounds ----

  @Test
  void partsThatDoNotFitRefuseTheAccountAlone() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", scale(1), LONG);
    given(a);
    result(a, part(1, 3, "x"));
    assertThat(lost(f).begun()).isTrue();
    assertThat(a.reply().getRefusal().getReason()).contains("operation_result");
    assertThat(engine.agents()).hasSize(1);
  }

  @Test
  void bytesThatAreNoResultRefuseTheAccountAlone() throws Exception {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    CompletableFuture<OperationResult> f = engine.operate("prod", get(1), LONG);
    given(a);
    a.stream.message(
        AgentMessage.newBuilder()
            .setAccount(1)
            .setOperationResult(ByteString.copyFrom(new byte[] {-1}))
            .build());
    assertThat(lost(f).begun()).isTrue();
    assertThat(a.reply().hasRefusal()).isTrue();
    assertThat(engine.agents()).hasSize(1);
  }

  @Test
  void aResultThatIsTooLargeEndsAndGivesItsMemoryBack() throws Exception {
    Engine small = engine(store, AccountPolicy.ANY, settings().creditTotalBytes(10));
    FakeAgent a = FakeAgent.caching(small, "agent", "prod");
    for (int n = 1; n < 4; n++) {
      CompletableFuture<OperationResult> f = small.operate("prod", get(n), LONG);
      given(a);
      result(a, part(n, 0, "123456"));
      result(a, part(n, 6, "123456"));
      assertThat(of(f).getCode()).isEqualTo(Code.TOO_LARGE);
      assertThat(of(f).getBody()).isEqualTo(ByteString.EMPTY);
      assertThat(cancelled(a)).isEqualTo(id(n));
      result(a, part(n, 12, "123456").setLast(true)); // still under way
    }
    CompletableFuture<OperationResult> f = small.operate("prod", get(9), LONG);
    result(a, part(9, 0, "1234567890").setLast(true).setCode(Code.OK));
    assertThat(of(f).getCode()).isEqualTo(Code.OK);
  }
}
