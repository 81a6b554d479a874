// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A Clouddriver's engine over a database in memory; more of them by {@link #engine}. */
abstract class EngineTestCase {
  MemoryDatabase db;
  MemoryStore store;
  MemoryRows rows;
  Engine engine;
  private final List<Engine> engines = new ArrayList<>();

  @BeforeEach
  void makeEngine() {
    db = new MemoryDatabase();
    rows = new MemoryRows(db);
    store = new MemoryStore(db, "clouddriver-1");
    engine = engine(store, AccountPolicy.ANY, settings());
  }

  static EngineSettings settings() {
    return new EngineSettings()
        .pluginVersion("0.1.0")
        .clouddriverId("clouddriver-1")
        .writers(2, 4)
        .gatherMillis(2)
        .restMillis(1_000_000)
        .openApartMillis(0)
        .gatherCheckpointsMillis(20);
  }

  Engine engine(MemoryStore store, AccountPolicy policy, EngineSettings settings) {
    Engine e = new Engine(store, rows, policy, ProtocolEvents.NONE, settings, Points.NONE);
    e.start();
    engines.add(e);
    return e;
  }

  @AfterEach
  void closeEngines() {
    db.down = false;
    engines.parallelStream().forEach(Engine::close);
  }

  static void await(String what, BooleanSupplier condition) {
    long end = System.nanoTime() + Duration.ofSeconds(5).toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - end > 0) {
        throw new AssertionError("not in time: " + what);
      }
      try {
        Thread.sleep(5);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
