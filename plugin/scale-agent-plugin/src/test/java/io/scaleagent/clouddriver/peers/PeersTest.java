// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Two Clouddrivers, of which one is asked and the other has the agent. */
@Timeout(30)
class PeersTest {
  private static final byte[] OPERATION = "an operation".getBytes(StandardCharsets.UTF_8);
  private static final Duration LONG = Duration.ofSeconds(10);

  private final Replicas replicas = new Replicas();
  private Replicas.One here;
  private Replicas.One there;

  @BeforeEach
  void start() {
    here = replicas.add("here");
    there = replicas.add("there");
    replicas.kept("prod", "agent", "there");
  }

  @AfterEach
  void stop() {
    replicas.close();
  }

  private CompletableFuture<List<byte[]>> run() {
    return here.peers.run("prod", OPERATION, LONG);
  }

  private static CarrierException failure(CompletableFuture<?> result) {
    try {
      result.join();
    } catch (CompletionException e) {
      return (CarrierException) e.getCause();
    }
    throw new AssertionError("it did not fail");
  }

  @Test
  void anOperationIsDoneWhereTheAgentIs() {
    there.next = Replicas.answer("one part", "", "the last");
    List<String> parts =
        run().join().stream()
            .map(p -> new String(p, StandardCharsets.UTF_8))
            .collect(Collectors.toList());
    assertThat(parts).containsExactly("one part", "", "the last");
    assertThat(there.done).containsExactly("prod an operation 10000");
    assertThat(here.done).isEmpty();
  }

  @Test
  void nobodyOnTheWayCanReadIt() {
    there.next = Replicas.answer("a secret");
    run().join();
    assertThat(replicas.wire).hasSize(2);
    for (byte[] message : replicas.wire) {
      assertThat(new String(message, StandardCharsets.ISO_8859_1))
          .doesNotContain("a secret", "an operation", "prod");
    }
  }

  @Test
  void anAgentThatStandsByDoesItIfNobodyKeepsTheAccount() {
    replicas.accounts.clear();
    replicas.named("prod", "agent", "there");
    run().join();
    assertThat(there.done).hasSize(1);
    assertThat(failure(here.peers.run("other", OPERATION, LONG)))
        .hasMessageContaining("account other: no agent that has it is connected")
        .matches(e -> !e.begun());
  }

  @Test
  void whatFailsThereIsSaidHere() {
    there.next = CompletableFuture.failedFuture(new CarrierException("its stream ended", true));
    assertThat(failure(run()))
        .hasMessageContaining("account prod: agent agent at Clouddriver there")
        .hasMessageContaining("its stream ended")
        .matches(CarrierException::begun);
    there.next = CompletableFuture.failedFuture(new CarrierException("it is not here", false));
    assertThat(failure(run())).matches(e -> !e.begun());
  }

  @Test
  void aClouddriverThatDiesInTheMiddleMayHaveDoneIt() throws InterruptedException {
    there.next = new CompletableFuture<>();
    CompletableFuture<List<byte[]>> result = run();
    while (there.done.isEmpty()) {
      Thread.sleep(5);
    }
    there.server.stop(0);
    assertThat(failure(result))
        .hasMessageContaining("agent agent at Clouddriver there")
        .hasMessageContaining("was lost before it answered")
        .matches(CarrierException::begun);
  }

  @Test
  void aClouddriverThatIsNotThereHasNotDoneIt() {
    there.server.stop(0);
    assertThat(failure(run())).hasMessageContaining("can't be reached").matches(e -> !e.begun());
    replicas.all.remove(there);
    assertThat(failure(run()))
        .hasMessageContaining("agent agent was connected to Clouddriver there, which is gone")
        .matches(e -> !e.begun());
  }

  @Test
  void theTimeLimitHoldsAndTheAgentIsTold() {
    CompletableFuture<List<byte[]>> never = new CompletableFuture<>();
    there.next = never;
    CarrierException e = failure(here.peers.run("prod", OPERATION, Duration.ofMillis(50)));
    assertThat(e).hasMessageContaining("gave no answer within 1050 ms").matches(x -> x.begun());
    awaitCancelled(never);
  }

  @Test
  void whoNoLongerWaitsSaysSo() throws InterruptedException {
    CompletableFuture<List<byte[]>> never = new CompletableFuture<>();
    there.next = never;
    CompletableFuture<List<byte[]>> result = run();
    while (there.done.isEmpty()) {
      Thread.sleep(5);
    }
    result.cancel(false);
    awaitCancelled(never);
  }

  private static void awaitCancelled(CompletableFuture<?> future) {
    long end = System.nanoTime() + 5_000_000_000L;
    while (!future.isCancelled() && System.nanoTime() < end) {
      Thread.onSpinWait();
    }
    assertThat(future).isCancelled();
  }

  @Test
  void anotherSecretIsRefused() {
    here.secret.value = new byte[] {1, 2, 3};
    assertThat(failure(run())).hasMessageContaining("answers 401").matches(e -> !e.begun());
    assertThat(there.done).isEmpty();
    assertThat(here.secret.refreshed + there.secret.refreshed).isEqualTo(2);
  }

  @Test
  void aMessageIsTakenOnce() {
    run().join();
    byte[] request = replicas.wire.get(0);
    assertThat(there.endpoint.handle(request, "a thief").join().status()).isEqualTo(401);
    assertThat(there.done).hasSize(1);
  }

  @Test
  void aMessageIsForOneClouddriver() {
    run().join();
    byte[] request = replicas.wire.get(0);
    assertThat(here.endpoint.handle(request, "a thief").join().status()).isEqualTo(401);
    // The same Clouddriver after it started anew: another id, no memory.
    Replicas.One anew = replicas.add("there, started anew");
    assertThat(anew.endpoint.handle(request, "a thief").join().status()).isEqualTo(401);
    assertThat(here.done).isEmpty();
    assertThat(anew.done).isEmpty();
  }

  @Test
  void aMessageOfLongAgoIsRefused() {
    for (long ahead : new long[] {-61_000, 61_000}) {
      here.secret.ahead = ahead;
      assertThat(failure(run())).hasMessageContaining("by the database's clock");
    }
    assertThat(there.done).isEmpty();
  }

  @Test
  void nothingOfAMessageCanBeChanged() {
    run().join();
    byte[] request = replicas.wire.get(0);
    Replicas.One fresh = replicas.add("there");
    for (int i = 0; i < request.length; i++) {
      byte[] changed = request.clone();
      changed[i] ^= 1;
      assertThat(fresh.endpoint.handle(changed, "a thief").join().status())
          .as("byte %d", i)
          .isEqualTo(401);
    }
    assertThat(fresh.endpoint.handle(new byte[0], "a thief").join().status()).isEqualTo(401);
    assertThat(fresh.done).isEmpty();
    assertThat(fresh.endpoint.handle(request, "as it came").join().status()).isEqualTo(200);
    assertThat(fresh.done).hasSize(1);
  }

  @Test
  void callsUnderWayAreBounded() {
    there.next = new CompletableFuture<>();
    List<CompletableFuture<List<byte[]>>> results = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      results.add(run());
    }
    assertThat(failure(run())).hasMessageContaining("under way already").matches(e -> !e.begun());
    results.forEach(r -> r.cancel(false));
    there.next = Replicas.answer("done");
    assertThat(run().join()).hasSize(1);
  }

  @Test
  void anAgentThereIsDisconnected() {
    replicas.named("prod", "agent", "there");
    here.peers.disconnect(replicas.agents.get(0));
    assertThat(there.disconnected).containsExactly("agent");
  }

  @Test
  void whatGoesWrongWhileAnAgentIsDisconnectedIsSaid() {
    replicas.named("prod", "broken", "there");
    assertThatThrownBy(() -> here.peers.disconnect(replicas.agents.get(0)))
        .isInstanceOf(CarrierException.class)
        .hasMessageContaining("an internal error there")
        .hasMessageContaining("it broke");
  }

  @Test
  void anAnswerThatCannotBeMadeIsSaidAtOnceAndMayHaveBeenDone() {
    there.next = CompletableFuture.completedFuture(Arrays.asList((byte[]) null));
    assertThat(failure(run()))
        .hasMessageContaining("its answer can't be made")
        .matches(e -> e.begun());
  }
}
