// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.scaleagent.clouddriver.protocol.AccountPolicy;
import io.scaleagent.clouddriver.protocol.AgentStatus;
import io.scaleagent.clouddriver.protocol.Engine;
import io.scaleagent.clouddriver.protocol.EngineSettings;
import io.scaleagent.clouddriver.protocol.MemoryDatabase;
import io.scaleagent.clouddriver.protocol.MemoryRows;
import io.scaleagent.clouddriver.protocol.MemoryStore;
import io.scaleagent.clouddriver.protocol.ProtocolEvents;
import io.scaleagent.proto.v1.Refusal;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The server and the engine over a database in memory, the real agent, and simulated API servers
 * behind it.
 */
class AgentIntegrationTest {
  private static final int CLUSTERS = 3;
  private static final ObjectMapper JSON = new ObjectMapper();
  @TempDir static Path scratch;
  private static KubeSim sim;
  private static int directories;

  private MemoryDatabase db;
  private MemoryRows rows;
  private int port;
  private final List<AutoCloseable> open = new ArrayList<>();
  private final AtomicLong deltas = new AtomicLong();
  private final ConcurrentLinkedQueue<String> refusals = new ConcurrentLinkedQueue<>();
  private final ProtocolEvents events =
      new ProtocolEvents() {
        @Override
        public void committed(String account, int count, long oldestMicros, long nanos) {
          deltas.addAndGet(count);
        }

        @Override
        public void refused(String account, Refusal.Code code) {
          refusals.add(account + " " + code);
        }
      };

  /** A Clouddriver: engine and server. */
  private final class Plugin implements AutoCloseable {
    final Engine engine;
    final AgentServer server;

    Plugin(String id, int port, GrpcSettings settings) throws IOException {
      engine =
          new Engine(
              new MemoryStore(db, id),
              rows,
              AccountPolicy.ANY,
              events,
              new EngineSettings()
                  .clouddriverId(id)
                  .heartbeatSeconds(1)
                  .heartbeatTimeoutSeconds(2));
      settings.getServer().setAddress("localhost");
      settings.getServer().setPort(port);
      server = new AgentServer(settings, engine);
      engine.start();
      server.start();
      open.add(0, this);
    }

    @Override
    public void close() {
      open.remove(this);
      server.close();
    }
  }

  @BeforeAll
  static void startClusters() {
    sim =
        new KubeSim(Programs.directory(scratch, ""), CLUSTERS, "-objects", "200", "-churn", "0.3");
  }

  @AfterAll
  static void stopClusters() {
    if (sim != null) {
      sim.close();
    }
  }

  @BeforeEach
  void begin() {
    db = new MemoryDatabase();
    rows = new MemoryRows(db);
    port = Programs.freePorts(1);
  }

  @AfterEach
  void end() throws Exception {
    sim.post("/pause");
    for (AutoCloseable c : new ArrayList<>(open)) {
      c.close();
    }
    assertThat(refusals).isEmpty();
  }

  private RealAgent agent(String id, String clouddriver) {
    RealAgent a =
        new RealAgent(
            Programs.directory(scratch, "agent-" + ++directories),
            id,
            port,
            sim.accounts,
            clouddriver);
    open.add(0, a);
    return a.start();
  }

  private static final String PLAIN = "{\"insecure\":true}";

  private Map<String, Map<String, String>> stored() {
    Map<String, Map<String, String>> all = new TreeMap<>();
    for (String name : db.names()) {
      Map<String, String> versions = new TreeMap<>();
      db.rowsOf(name)
          .forEach(
              (key, object) -> {
                try {
                  versions.put(key, JSON.readTree(object).at("/metadata/resourceVersion").asText());
                } catch (IOException e) {
                  throw new IllegalStateException(key, e);
                }
              });
      all.put(name, versions);
    }
    return all;
  }

  /** The clusters stand still: rows and objects, versions included, come to be the same. */
  private void awaitEqual() {
    Map<String, Map<String, String>> there = sim.state();
    try {
      Programs.await(
          "the rows are the objects", Duration.ofSeconds(40), () -> stored().equals(there));
    } catch (AssertionError e) {
      assertThat(stored()).isEqualTo(there);
    }
  }

  /**
   * Nothing of the objects may be sent by a restart, once the acknowledgements have arrived of what
   * was sent before.
   */
  private void nothingSent(Runnable restart) {
    Programs.pause(2500); // an agent holds acknowledgements back from its workers for two seconds
    long before = deltas.get();
    long writes = db.writes();
    restart.run();
    Programs.pause(1500);
    assertThat(deltas.get() - before).as("objects sent").isZero();
    assertThat(db.writes() - writes).as("rows and digests written").isZero();
    awaitEqual();
  }

  private static Set<String> caching(Engine engine) {
    Set<String> names = new HashSet<>();
    for (AgentStatus s : engine.agents()) {
      names.addAll(s.caching());
    }
    return names;
  }

  @Test
  void rowsAreTheClustersObjects() throws IOException {
    new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    awaitEqual();
    assertThat(deltas.get()).isGreaterThanOrEqualTo(CLUSTERS * 200);
    sim.post("/change", "count", "60");
    awaitEqual();
    sim.post("/rate", "rate", "50", "churn", "0.4");
    Programs.pause(3000);
    sim.post("/pause");
    awaitEqual();
  }

  @Test
  void aRestartOfEitherSideSendsNothing() throws IOException {
    Plugin first = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    awaitEqual();
    nothingSent(
        () -> {
          a.stop();
          a.start().await("streaming", CLUSTERS);
        });
    nothingSent(
        () -> {
          a.kill();
          a.start().await("streaming", CLUSTERS);
        });
    nothingSent(
        () -> {
          first.close();
          Programs.pause(300);
          try {
            new Plugin("clouddriver-1", port, new GrpcSettings());
          } catch (IOException e) {
            throw new IllegalStateException(e);
          }
          a.await("streaming", CLUSTERS);
        });
  }

  @Test
  void whatChangedWhileTheOtherSideWasAwayIsPutRight() throws IOException {
    Plugin first = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    awaitEqual();
    a.kill();
    sim.post("/change", "count", "40");
    a.start();
    awaitEqual();
    first.close();
    sim.post("/change", "count", "40");
    Plugin second = new Plugin("clouddriver-1", port, new GrpcSettings());
    awaitEqual();
    sim.post("/rate", "rate", "40", "churn", "0.4");
    for (int i = 0; i < 5; i++) {
      Programs.await(
          "it is there", Duration.ofSeconds(10), () -> !second.engine.agents().isEmpty());
      assertThat(second.engine.disconnect("agent", "a test", 0)).isTrue();
      Programs.pause(500);
    }
    sim.post("/pause");
    awaitEqual();
    assertThat(a.said()).contains("a test");
  }

  @Test
  void aDatabaseThatIsDownLosesNothing() throws IOException {
    Plugin p = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    db.setDown(true);
    sim.post("/change", "count", "30");
    Programs.await("its stream ends", Duration.ofSeconds(10), () -> p.engine.agents().isEmpty());
    Programs.pause(500);
    db.setDown(false);
    awaitEqual();
    assertThat(a.said()).contains("database");
  }

  @Test
  void anotherAgentTakesOver() throws IOException {
    Plugin p = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent first = agent("first", PLAIN);
    first.await("streaming", CLUSTERS);
    RealAgent second = agent("second", PLAIN);
    second.await("standby", CLUSTERS);
    awaitEqual();
    first.kill();
    long began = System.nanoTime();
    Programs.await(
        "all are kept", Duration.ofSeconds(5), () -> caching(p.engine).size() == CLUSTERS);
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(5));
    second.await("streaming", CLUSTERS);
    sim.post("/change", "count", "30");
    awaitEqual();
  }

  @Test
  void anAgentThatStandsStillLosesItsAccounts() throws IOException {
    Plugin p = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent first = agent("first", PLAIN);
    first.await("streaming", CLUSTERS);
    RealAgent second = agent("second", PLAIN);
    second.await("standby", CLUSTERS);
    first.signalAll("STOP");
    try {
      second.await("streaming", CLUSTERS);
      sim.post("/change", "count", "30");
      awaitEqual();
    } finally {
      first.signalAll("CONT");
    }
    first.await("standby", CLUSTERS);
    awaitEqual();
    assertThat(caching(p.engine)).hasSize(CLUSTERS);
  }

  @Test
  void anAgentMovesToAnotherClouddriver() throws IOException {
    Plugin first = new Plugin("clouddriver-1", port, new GrpcSettings());
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    awaitEqual();
    nothingSent(
        () -> {
          first.close();
          try {
            new Plugin("clouddriver-2", port, new GrpcSettings());
          } catch (IOException e) {
            throw new IllegalStateException(e);
          }
          a.await("streaming", CLUSTERS);
        });
  }

  @Test
  void aWrongTokenIsSaidOnBothSides() throws IOException {
    GrpcSettings settings = new GrpcSettings();
    settings.getAuth().setToken("right");
    Plugin p = new Plugin("clouddriver-1", port, settings);
    RealAgent a =
        agent(
            "agent",
            "{\"insecure\":true,\"allowPlaintextToken\":true,\"auth\":{\"token\":\"wrong\"}}");
    a.awaitSaid("the token is wrong");
    assertThat(p.engine.agents()).isEmpty();
    a.stop();
    RealAgent b =
        agent(
            "agent",
            "{\"insecure\":true,\"allowPlaintextToken\":true,\"auth\":{\"token\":\"right\"}}");
    b.await("streaming", CLUSTERS);
  }

  @Test
  void certificatesOfBothSidesAreChecked() throws IOException {
    Path tls = Programs.directory(scratch, "tls");
    Certificates certificates = new Certificates(tls);
    GrpcSettings settings = certificates.server();
    settings.getServer().getSecurity().setClientAuth(GrpcSettings.ClientAuth.REQUIRE);
    settings.getAuth().getX509().setEnabled(true);
    settings.getAuth().getX509().setFilters(List.of("CN=agent-[0-9]+"));
    Plugin p = new Plugin("clouddriver-1", port, settings);
    String form =
        "{\"insecure\":false,\"tls\":{\"cacertFile\":\"%s\",\"clientCertFile\":\"%s\",\"clientKeyFile\":\"%s\"}}";
    RealAgent stranger =
        agent(
            "stranger",
            String.format(
                form,
                certificates.ca(),
                certificates.cert("someone"),
                certificates.key("someone")));
    stranger.awaitSaid("no filter of kubesvc.grpc.auth.x509");
    stranger.stop();
    RealAgent a =
        agent(
            "agent",
            String.format(
                form,
                certificates.ca(),
                certificates.cert("agent-1"),
                certificates.key("agent-1")));
    a.await("streaming", CLUSTERS);
    awaitEqual();
    assertThat(p.engine.agents()).hasSize(1);
  }
}
