// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import io.scaleagent.proto.v1.AccountMessage;
import io.scaleagent.proto.v1.AccountOpen;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Which agent gets an account that several have. */
class AssignmentTest extends EngineTestCase {
  private static final int COUNT = 20;

  private static String[] names() {
    return IntStream.range(0, COUNT).mapToObj(i -> "account-" + i).toArray(String[]::new);
  }

  private static void openAll(FakeAgent a) {
    for (int i = 1; i <= COUNT; i++) {
      a.stream.message(
          io.scaleagent.proto.v1.AgentMessage.newBuilder()
              .setAccount(i)
              .setAccountMessage(
                  AccountMessage.newBuilder()
                      .setOpen(AccountOpen.newBuilder().setClusterId("cluster-" + i))
                      .build()
                      .toByteString())
              .build());
    }
  }

  private long load(String agent) {
    return engine.agents().stream()
        .filter(s -> s.connection().agentId().equals(agent))
        .mapToLong(s -> s.caching().size())
        .sum();
  }

  @Test
  void accountsAreSharedAmongAgentsThatComeTogether() {
    List<FakeAgent> agents =
        List.of("first", "second", "third").stream()
            .map(id -> FakeAgent.connected(engine, id, names()))
            .collect(Collectors.toList());
    agents.forEach(AssignmentTest::openAll);
    await("all kept", () -> load("first") + load("second") + load("third") == COUNT);
    for (String agent : List.of("first", "second", "third")) {
      assertThat(load(agent)).as(agent).isBetween(3L, 11L);
    }
  }

  @Test
  void accountsOfAnAgentThatGoesAreSharedAmongThoseThatStandBy() {
    FakeAgent first = FakeAgent.connected(engine, "first", names());
    openAll(first);
    await("all kept by the first", () -> load("first") == COUNT);
    for (String id : List.of("second", "third")) {
      openAll(FakeAgent.connected(engine, id, names()));
    }
    await(
        "standing by",
        () ->
            engine.agents().stream().mapToLong(s -> s.accounts().size()).sum() == 3 * COUNT
                && db.epochs.get() >= 3 * COUNT);
    first.stream.broken("reset");
    await("all kept again", () -> load("second") + load("third") == COUNT);
    assertThat(load("second")).isBetween(7L, 13L);
  }

  /** An agent that names an account and never asks for it does not keep it from others. */
  @Test
  void whoHasLessToDoAndDoesNotComeIsNotWaitedFor() {
    FakeAgent.connected(engine, "idle", names());
    FakeAgent busy = FakeAgent.connected(engine, "busy", names());
    openAll(busy);
    await("all kept by the one that asks", () -> load("busy") == COUNT);
  }

  @Test
  void aWorkerThatOpensAgainAndAgainIsSlowedDown() throws InterruptedException {
    Engine strict = engine(store, AccountPolicy.ANY, settings().openApartMillis(200));
    FakeAgent a = FakeAgent.connected(strict, "agent", "prod");
    long before = db.epochs.get();
    long end = System.nanoTime() + 1_000_000_000L;
    while (System.nanoTime() < end) {
      a.open("cluster-1");
      Thread.sleep(2);
    }
    assertThat(db.epochs.get() - before).isBetween(1L, 16L);
    await("it is opened in the end", () -> strict.agents().iterator().next().caching().size() == 1);
  }
}
