// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.scaleagent.clouddriver.host.AgentOperationException;
import io.scaleagent.clouddriver.host.OutcomeUnknownException;
import io.scaleagent.proto.v1.GetOperation;
import io.scaleagent.proto.v1.ObjectName;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationResult;
import io.scaleagent.proto.v1.OperationResult.Code;
import io.scaleagent.proto.v1.RolloutOperation;
import io.scaleagent.proto.v1.ScaleOperation;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What is sent again, and what surely is not. */
class OperationCallerTest {
  private static final ObjectName WEB = Requests.object("deployment", "default", "web");
  private static final Operation READ =
      Operation.newBuilder().setGet(GetOperation.getDefaultInstance()).build();
  private static final Operation CHANGE =
      Operation.newBuilder().setUser("ann").setScale(ScaleOperation.getDefaultInstance()).build();

  private final ScriptedCarrier carrier = new ScriptedCarrier();
  private final List<OperationRecord> records = new ArrayList<>();

  private OperationCaller caller(long waitMillis) {
    return new OperationCaller(carrier, waitMillis, List.of(records::add));
  }

  private OperationResult call(Operation o) {
    return caller(20_000).call("prod", o, WEB);
  }

  private void ended(String result) {
    assertThat(records).hasSize(1);
    assertThat(records.get(0).result()).isEqualTo(result);
  }

  @Test
  void whatTheAgentSaysIsTheAnswer() {
    carrier.answers(Code.FORBIDDEN, "no");
    assertThat(call(CHANGE).getMessage()).isEqualTo("no");
    assertThat(carrier.only().getId().size()).isEqualTo(16);
    ended("FORBIDDEN");
    assertThat(records.get(0).user()).isEqualTo("ann");
  }

  @Test
  void partsArePutTogether() {
    carrier.answers(
        OperationResult.newBuilder().setBody(ByteString.copyFromUtf8("a")),
        OperationResult.newBuilder()
            .setBody(ByteString.copyFromUtf8("b"))
            .setOffset(1)
            .setCode(Code.OK)
            .setLast(true));
    assertThat(call(READ).getBody().toStringUtf8()).isEqualTo("ab");
  }

  @Test
  void eachCallHasAnIdOfItsOwn() {
    carrier.answers(Code.OK, "");
    call(CHANGE);
    call(CHANGE);
    assertThat(carrier.asked.get(0).getId()).isNotEqualTo(carrier.asked.get(1).getId());
  }

  @Test
  void whatWasNotBegunIsSentAgainAsItIs() {
    carrier.loses("no agent", false).loses("no agent", false).answers(Code.OK, "");
    call(CHANGE);
    assertThat(carrier.asked).hasSize(3);
    assertThat(carrier.asked.get(0).getId()).isEqualTo(carrier.asked.get(2).getId());
    ended("OK");
  }

  @Test
  void anAgentThatDoesNotComeIsSaid() {
    carrier.loses("no agent is connected", false);
    assertThatThrownBy(() -> call(CHANGE))
        .isExactlyInstanceOf(AgentOperationException.class)
        .hasMessageContaining("prod")
        .hasMessageContaining("no agent is connected");
    assertThat(carrier.asked.size()).isBetween(3, 12);
    ended(OperationRecord.LOST);
  }

  @Test
  void ofAChangeThatWasLostItsWorkerIsAskedOnceMore() {
    carrier.loses("the stream ended", true).loses("no agent yet", false).answers(Code.OK, "done");
    assertThat(call(CHANGE).getMessage()).isEqualTo("done");
    assertThat(carrier.asked).hasSize(3);
    assertThat(carrier.asked.get(0).getInstance().isEmpty()).isTrue();
    for (Operation again : carrier.asked.subList(1, 3)) {
      assertThat(again.getId()).isEqualTo(carrier.asked.get(0).getId());
      assertThat(again.getInstance().isEmpty()).isFalse(); // another worker does not do it
    }
    ended("OK");
  }

  @Test
  void aChangeThatIsLostForGoodIsSaidToBeUnknown() {
    carrier.loses("the stream ended", true).loses("it ended again", true);
    assertThatThrownBy(() -> call(CHANGE))
        .isExactlyInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("the stream ended")
        .hasMessageContaining("it ended again")
        .hasMessageContaining("not known whether")
        .hasMessageContaining(HexText.of(carrier.asked.get(0).getId()));
    assertThat(carrier.asked).hasSize(2);
    ended(OperationRecord.LOST);
  }

  @Test
  void aLostChangeWhoseAgentDoesNotComeBackIsUnknownToo() {
    carrier.loses("the stream ended", true).loses("no agent", false);
    assertThatThrownBy(() -> caller(1500).call("prod", CHANGE, WEB))
        .isExactlyInstanceOf(OutcomeUnknownException.class);
    assertThat(carrier.asked.size()).isGreaterThan(2);
  }

  @Test
  void whereNobodyCanBeAskedALostChangeIsUnknown() {
    carrier
        .loses("the stream ended", true)
        .answers(
            OperationResult.newBuilder()
                .setCode(Code.UNAVAILABLE)
                .setRetriable(true)
                .setLast(true));
    assertThatThrownBy(() -> call(CHANGE)).isExactlyInstanceOf(OutcomeUnknownException.class);
    assertThat(carrier.asked).hasSize(2);
  }

  @Test
  void aReadIsBegunTwiceAndUnderAnotherId() {
    carrier.loses("the stream ended", true).loses("no agent yet", false).answers(Code.OK, "");
    call(READ);
    assertThat(carrier.asked).hasSize(3);
    assertThat(carrier.asked.get(0).getId()).isNotEqualTo(carrier.asked.get(1).getId());
    ended("OK");
  }

  @Test
  void aReadIsNotBegunThreeTimes() {
    carrier.loses("the stream ended", true);
    assertThatThrownBy(() -> call(READ)).isExactlyInstanceOf(AgentOperationException.class);
    assertThat(carrier.asked).hasSize(2);
  }

  @Test
  void theHistoryOfARolloutOnlyReads() {
    carrier.loses("the stream ended", true).answers(Code.OK, "");
    RolloutOperation.Builder history =
        RolloutOperation.newBuilder().setVerb(RolloutOperation.Verb.HISTORY);
    call(Operation.newBuilder().setRollout(history).build());
    assertThat(carrier.asked).hasSize(2);
  }

  @Test
  void nothingIsSentAgainWhenTimeIsUp() {
    carrier.loses("it did not answer", true);
    assertThatThrownBy(() -> caller(300).call("prod", READ, WEB))
        .isExactlyInstanceOf(AgentOperationException.class);
    assertThat(carrier.asked).hasSize(1);
  }

  @Test
  void whatTheWorkerSurelyDidNotDoIsAskedOnceMore() {
    OperationResult.Builder stopping =
        OperationResult.newBuilder().setCode(Code.UNAVAILABLE).setRetriable(true).setLast(true);
    carrier.answers(stopping).answers(Code.OK, "");
    assertThat(call(CHANGE).getCode()).isEqualTo(Code.OK);
    assertThat(carrier.asked.get(0).getId()).isNotEqualTo(carrier.asked.get(1).getId());
    ended("OK");
  }

  @Test
  void anOutcomeThatIsNotKnownIsLeftToTheAsker() {
    carrier.answers(
        OperationResult.newBuilder()
            .setCode(Code.UNKNOWN_OUTCOME)
            .setRetriable(true)
            .setLast(true));
    assertThat(call(CHANGE).getCode()).isEqualTo(Code.UNKNOWN_OUTCOME);
    assertThat(carrier.asked).hasSize(1);
    ended("UNKNOWN_OUTCOME");
  }

  @Test
  void aDefectOfTheWayIsAnAnswerToo() {
    CompletableFuture<List<byte[]>> broken =
        CompletableFuture.failedFuture(new IllegalStateException("defect"));
    OperationCaller caller =
        new OperationCaller((a, o, t) -> broken, 20_000, List.of(records::add));
    assertThatThrownBy(() -> caller.call("prod", CHANGE, WEB))
        .isExactlyInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("defect");
    OperationCaller garbled =
        new OperationCaller(
            (a, o, t) -> CompletableFuture.completedFuture(List.of(new byte[] {-1})),
            20_000,
            List.of(records::add));
    assertThatThrownBy(() -> garbled.call("prod", CHANGE, WEB))
        .isExactlyInstanceOf(OutcomeUnknownException.class);
  }

  @Test
  void aThreadThatIsInterruptedTellsTheAgent() throws Exception {
    carrier.isSilent();
    CompletableFuture<Throwable> end = new CompletableFuture<>();
    Thread asker =
        new Thread(
            () -> {
              try {
                call(CHANGE);
              } catch (RuntimeException e) {
                end.complete(Thread.currentThread().isInterrupted() ? e : null);
              }
            });
    asker.start();
    while (carrier.given.isEmpty()) {
      Thread.sleep(5);
    }
    asker.interrupt();
    assertThat(end.get(5, TimeUnit.SECONDS)).isExactlyInstanceOf(OutcomeUnknownException.class);
    assertThat(carrier.given.get(0).isCancelled()).isTrue();
  }

  @Test
  void aWayThatNeverEndsIsGivenUp() throws ExecutionException, InterruptedException {
    carrier.isSilent();
    long began = System.nanoTime();
    assertThatThrownBy(() -> caller(100).call("prod", CHANGE, WEB))
        .isExactlyInstanceOf(OutcomeUnknownException.class);
    assertThat(TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - began)).isLessThan(10);
    assertThat(carrier.given.get(0).isCancelled()).isTrue();
  }
}
