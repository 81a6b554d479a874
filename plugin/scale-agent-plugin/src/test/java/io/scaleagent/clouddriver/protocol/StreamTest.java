// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.AgentMessage;
import io.scaleagent.proto.v1.Goodbye;
import io.scaleagent.proto.v1.Heartbeat;
import io.scaleagent.proto.v1.Hello;
import io.scaleagent.proto.v1.PluginMessage;
import org.junit.jupiter.api.Test;

/** Section 2 of PROTOCOL.md: the stream itself. */
class StreamTest extends EngineTestCase {
  private static Goodbye goodbye(FakeAgent a) {
    PluginMessage m = a.next();
    assertThat(m.hasGoodbye()).as("%s", m).isTrue();
    return m.getGoodbye();
  }

  @Test
  void helloIsAnsweredFirst() {
    FakeAgent a = new FakeAgent(engine, "agent");
    a.hello(1, 1);
    a.accounts("prod");
    PluginMessage m = a.next();
    assertThat(m.getHello().getProtocol()).isEqualTo(1);
    assertThat(m.getHello().getClouddriverId()).isEqualTo("clouddriver-1");
    assertThat(m.getHello().getHeartbeatSeconds()).isEqualTo(10);
    await("the agent is listed", () -> engine.agents().size() == 1);
    AgentStatus status = engine.agents().iterator().next();
    assertThat(status.connection().agentId()).isEqualTo("agent");
    assertThat(status.accounts()).containsExactly("prod");
    assertThat(status.caching()).isEmpty();
  }

  @Test
  void aLaterAgentIsAnsweredInTheVersionThatBothSpeak() {
    FakeAgent a = new FakeAgent(engine, "agent");
    a.hello(7, 1);
    assertThat(a.next().getHello().getProtocol()).isEqualTo(Limits.PROTOCOL_MAX);
  }

  @Test
  void withoutACommonVersionBothSidesAreNamed() {
    FakeAgent later = new FakeAgent(engine, "agent");
    later.hello(9, 8);
    Goodbye g = goodbye(later);
    assertThat(g.getCode()).isEqualTo(Goodbye.Code.INCOMPATIBLE);
    assertThat(g.getReason()).contains("8 to 9").contains("1 to 1").contains("upgrade");
    FakeAgent older = new FakeAgent(engine, "agent");
    older.hello(0, 0);
    assertThat(goodbye(older).getCode()).isEqualTo(Goodbye.Code.INCOMPATIBLE);
  }

  @Test
  void whatComesBeforeHelloIsAViolation() {
    FakeAgent a = new FakeAgent(engine, "agent");
    a.accounts("prod");
    assertThat(goodbye(a).getCode()).isEqualTo(Goodbye.Code.VIOLATION);
  }

  @Test
  void helloComesOnceAndWhole() {
    FakeAgent twice = FakeAgent.connected(engine, "agent");
    twice.hello(1, 1);
    assertThat(goodbye(twice).getReason()).contains("twice");
    for (Hello h :
        new Hello[] {
          Hello.newBuilder().setProtocol(1).setAgentId("agent").build(),
          Hello.newBuilder().setProtocol(1).setInstance(ByteString.copyFrom(new byte[16])).build()
        }) {
      FakeAgent a = new FakeAgent(engine, "agent");
      a.stream.message(AgentMessage.newBuilder().setHello(h).build());
      assertThat(goodbye(a).getCode()).isEqualTo(Goodbye.Code.VIOLATION);
    }
  }

  @Test
  void handlesAreNotUsedAgainAndNamesNotTwice() {
    FakeAgent again = FakeAgent.connected(engine, "agent", "one");
    again.accounts("two");
    assertThat(goodbye(again).getReason()).contains("used again");
    FakeAgent twice = FakeAgent.connected(engine, "agent");
    twice.accounts("one", "one");
    assertThat(goodbye(twice).getReason()).contains("named twice");
  }

  @Test
  void aMessageOfAnAccountThatWasNeverNamedEndsTheStream() {
    FakeAgent a = FakeAgent.connected(engine, "agent");
    a.open("cluster");
    assertThat(goodbye(a).getReason()).contains("never named");
  }

  @Test
  void bytesThatAreNoMessageEndTheStream() {
    FakeAgent a = FakeAgent.connected(engine, "agent");
    a.stream.malformed("what came is no AgentMessage");
    assertThat(goodbye(a).getCode()).isEqualTo(Goodbye.Code.VIOLATION);
  }

  @Test
  void heartbeatsAreAnsweredWithTheirNonce() {
    FakeAgent a = FakeAgent.connected(engine, "agent");
    a.stream.message(
        AgentMessage.newBuilder().setHeartbeat(Heartbeat.newBuilder().setNonce(42)).build());
    Heartbeat answer = a.next().getHeartbeat();
    assertThat(answer.getNonce()).isEqualTo(42);
    assertThat(answer.getReply()).isTrue();
    a.stream.message(
        AgentMessage.newBuilder()
            .setHeartbeat(Heartbeat.newBuilder().setNonce(43).setReply(true))
            .build());
    assertThat(a.poll(50)).isNull();
  }

  @Test
  void aSilentAgentIsGivenUpAndItsAccountsAreFree() {
    Engine short1 =
        engine(
            new MemoryStore(db, "clouddriver-1"),
            AccountPolicy.ANY,
            settings().heartbeatSeconds(1).heartbeatTimeoutSeconds(0));
    FakeAgent a = FakeAgent.caching(short1, "agent", "prod");
    Goodbye g = goodbye(a);
    assertThat(g.getReason()).contains("nothing was heard");
    await("the account is free", () -> store.unkept(java.util.Set.of("prod")).contains("prod"));
  }

  @Test
  void aSecondStreamOfAnAgentTakesOver() {
    FakeAgent first = FakeAgent.caching(engine, "agent", "prod");
    FakeAgent second = FakeAgent.connected(engine, "agent", "prod");
    Goodbye g = goodbye(first);
    assertThat(g.getCode()).isEqualTo(Goodbye.Code.DUPLICATE);
    assertThat(g.getReason()).contains("same id");
    assertThat(g.getRetryAfterMs()).isPositive();
    second.open("cluster-1");
    assertThat(second.welcome().getRole()).isEqualTo(io.scaleagent.proto.v1.Welcome.Role.CACHING);
    assertThat(engine.agents()).hasSize(1);
  }

  @Test
  void aStreamAtAnotherClouddriverTakesOver() {
    FakeAgent first = FakeAgent.caching(engine, "agent", "prod");
    Engine other = engine(new MemoryStore(db, "clouddriver-2"), AccountPolicy.ANY, settings());
    FakeAgent.connected(other, "agent", "prod");
    assertThat(goodbye(first).getCode()).isEqualTo(Goodbye.Code.DUPLICATE);
  }

  @Test
  void anAgentThatDoesNotCloseIsClosed() {
    FakeAgent a = FakeAgent.connected(engine, "agent");
    a.closesOnGoodbye = false;
    assertThat(engine.disconnect("agent", "as an administrator wished", 5000)).isTrue();
    Goodbye g = goodbye(a);
    assertThat(g.getReason()).isEqualTo("as an administrator wished");
    assertThat(g.getRetryAfterMs()).isEqualTo(5000);
    long began = System.nanoTime();
    assertThat(a.completed).isFalse();
    await("the call ends", () -> a.completed);
    assertThat(System.nanoTime() - began).isGreaterThan(1_500_000_000L);
    assertThat(engine.disconnect("agent", "again", 0)).isFalse();
  }

  @Test
  void whatCameBeforeTheAgentsEndIsCommittedAndAcknowledged() {
    Engine slow =
        engine(
            store,
            AccountPolicy.ANY,
            settings().gatherMillis(60_000).gatherCheckpointsMillis(60_000));
    FakeAgent a = FakeAgent.caching(slow, "agent", "prod");
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    a.checkpoint(FakeAgent.DEPLOYMENTS, "7", "f");
    a.stream.halfClosed();
    a.acked();
    assertThat(a.next()).isEqualTo(PluginMessage.getDefaultInstance());
    assertThat(a.completed).isTrue();
    assertThat(db.rowsOf("prod")).hasSize(1);
    assertThat(db.scope("prod", "deployments").resourceVersion).isEqualTo("7");
  }

  @Test
  void aBrokenStreamFreesItsAccountsAndKeepsTheirRows() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    a.deltas(FakeAgent.put(FakeAgent.PODS, "web", "1"));
    a.acked();
    a.stream.broken("reset");
    await("the account is free", () -> store.unkept(java.util.Set.of("prod")).contains("prod"));
    assertThat(db.rowsOf("prod")).hasSize(1);
    await("what was kept in memory is gone", () -> !rows.forgotten.isEmpty());
    assertThat(engine.agents()).isEmpty();
  }

  @Test
  void accountsThatAreNoLongerNamedAreRetracted() {
    FakeAgent a = FakeAgent.connected(engine, "agent", "one", "two");
    a.open("cluster-1");
    a.welcome();
    a.accounts("", "two");
    await("it is gone", () -> db.names().equals(java.util.List.of("two")));
    a.open("cluster-1"); // sent before the worker knew
    assertThat(a.poll(50)).isNull();
  }

  @Test
  void whileTheDatabaseIsDownAgentsAreSentAway() {
    db.down = true;
    FakeAgent a = new FakeAgent(engine, "agent");
    a.hello(1, 1);
    Goodbye g = goodbye(a);
    assertThat(g.getReason()).contains("database");
    db.down = false;
    FakeAgent.caching(engine, "agent", "prod");
  }

  @Test
  void aStoppingClouddriverSaysGoodbye() {
    FakeAgent a = FakeAgent.caching(engine, "agent", "prod");
    engine.close();
    assertThat(goodbye(a).getCode()).isEqualTo(Goodbye.Code.SHUTDOWN);
    assertThat(store.unkept(java.util.Set.of("prod"))).containsExactly("prod");
    FakeAgent late = new FakeAgent(engine, "late");
    assertThat(goodbye(late).getCode()).isEqualTo(Goodbye.Code.SHUTDOWN);
  }
}
