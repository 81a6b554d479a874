// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.scaleagent.clouddriver.protocol.AgentStatus;
import io.scaleagent.clouddriver.protocol.Engine;
import io.scaleagent.clouddriver.protocol.EngineSettings;
import io.scaleagent.clouddriver.protocol.MemoryDatabase;
import io.scaleagent.clouddriver.protocol.MemoryRows;
import io.scaleagent.clouddriver.protocol.MemoryStore;
import io.scaleagent.clouddriver.protocol.ProtocolEvents;
import io.scaleagent.clouddriver.protocol.TestEngines;
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
import org.junit.jupiter.api.io.TempDir;

/**
 * The server and the engine over a database in memory, the real agent, and simulated API servers
 * behind it.
 */
abstract class IntegrationTestCase {
  static final int CLUSTERS = 3;
  private static final ObjectMapper JSON = new ObjectMapper();
  @TempDir static Path scratch;
  static KubeSim sim;
  private static int directories;

  MemoryDatabase db;
  MemoryRows rows;
  int port;
  final List<AutoCloseable> open = new ArrayList<>();
  final AtomicLong deltas = new AtomicLong();
  final ConcurrentLinkedQueue<String> refusals = new ConcurrentLinkedQueue<>();
  private final ProtocolEvents events =
      new ProtocolEvents() {
        @Override
        public void committed(String account, int count, long oldestMicros, long nanos) {
          deltas.addAndGet(count);
        }

        @Override
        public void refused(String account, Refusal.Code code) {
          if (code != Refusal.Code.UNSPECIFIED) { // one that dies
            refusals.add(account + " " + code);
          }
        }
      };

  /** A Clouddriver: engine and server. */
  final class Plugin implements AutoCloseable {
    final MemoryStore store;
    final Engine engine;
    final AgentServer server;

    Plugin(String id, int port, GrpcSettings settings) throws IOException {
      this(id, port, settings, null);
    }

    /**
     * @param dieAt a point of the engine at which it ends like a process that is killed, or null
     */
    Plugin(String id, int port, GrpcSettings settings, String dieAt) throws IOException {
      store = new MemoryStore(db, id);
      EngineSettings engineSettings =
          new EngineSettings().clouddriverId(id).heartbeatSeconds(1).heartbeatTimeoutSeconds(2);
      engine =
          TestEngines.engine(store, rows, events, engineSettings, point -> passed(point, dieAt));
      settings.getServer().setAddress("localhost");
      settings.getServer().setPort(port);
      server = new AgentServer(settings, engine);
      engine.start();
      server.start();
      open.add(0, this);
    }

    private void passed(String point, String dieAt) {
      if (point.equals(dieAt) || store.isDead()) {
        store.die();
        server.abort();
        throw new Killed();
      }
    }

    /** Takes away what is left of one that has died. */
    void bury() {
      open.remove(this);
      new Thread(engine::close, "bury").start();
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

  /** As far as a thread of the engine can be ended. */
  static final class Killed extends RuntimeException {
    Killed() {
      super("killed", null, false, false);
    }
  }

  @AfterEach
  void end() throws Exception {
    sim.post("/pause");
    for (AutoCloseable c : new ArrayList<>(open)) {
      c.close();
    }
    assertThat(refusals).isEmpty();
  }

  RealAgent agent(String id, String clouddriver) {
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

  static final String PLAIN = "{\"insecure\":true}";

  Map<String, Map<String, String>> stored() {
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
  void awaitEqual() {
    Map<String, Map<String, String>> there = sim.state();
    try {
      Programs.await(
          "the rows are the objects", Duration.ofSeconds(40), () -> stored().equals(there));
    } catch (AssertionError e) {
      assertThat(differences(there, stored())).as("what is not the same").isEmpty();
    }
  }

  private static List<String> differences(
      Map<String, Map<String, String>> there, Map<String, Map<String, String>> stored) {
    List<String> list = new ArrayList<>();
    for (String account : there.keySet()) {
      Map<String, String> rows = new TreeMap<>(stored.getOrDefault(account, Map.of()));
      there
          .get(account)
          .forEach(
              (key, version) -> {
                String row = rows.remove(key);
                if (!version.equals(row)) {
                  list.add(account + " " + key + " is of version " + version + ", its row " + row);
                }
              });
      rows.keySet().forEach(key -> list.add(account + " " + key + " is gone, its row is not"));
    }
    return list;
  }

  /**
   * Nothing of the objects may be sent by a restart, once the acknowledgements have arrived of what
   * was sent before.
   */
  void nothingSent(Runnable restart) {
    Programs.pause(2500); // an agent holds acknowledgements back from its workers for two seconds
    long before = deltas.get();
    long writes = db.writes();
    restart.run();
    Programs.pause(1500);
    assertThat(deltas.get() - before).as("objects sent").isZero();
    assertThat(db.writes() - writes).as("rows and digests written").isZero();
    awaitEqual();
  }

  static Set<String> caching(Engine engine) {
    Set<String> names = new HashSet<>();
    for (AgentStatus s : engine.agents()) {
      names.addAll(s.caching());
    }
    return names;
  }
}
