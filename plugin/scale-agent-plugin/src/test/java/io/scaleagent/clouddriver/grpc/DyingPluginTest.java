// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/**
 * A Clouddriver ends at each named point of the protocol, under the changes of the clusters, with
 * the real agent at the other end; the next one goes on from what was committed.
 */
class DyingPluginTest extends IntegrationTestCase {
  private Plugin next(String dieAt) {
    try {
      return new Plugin("clouddriver-1", port, new GrpcSettings(), dieAt);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private void awaitDeath(Plugin p, String point) {
    Programs.await("it dies " + point, Duration.ofSeconds(15), p.store::isDead);
    p.bury();
  }

  @Test
  void inACommit() {
    RealAgent a = agent("agent", PLAIN);
    sim.post("/rate", "rate", "60", "churn", "0.4");
    for (String point :
        List.of(
            "before-row",
            "after-row",
            "before-digest",
            "after-digest",
            "before-commit",
            "after-commit",
            "before-ack",
            "after-ack")) {
      awaitDeath(next(point), point);
    }
    next(null);
    sim.post("/pause");
    a.await("streaming", CLUSTERS);
    awaitEqual();
  }

  /**
   * Something is lost and something is too many each time, so that sums differ and pages are sent.
   */
  @Test
  void inASnapshot() {
    Plugin first = next(null);
    RealAgent a = agent("agent", PLAIN);
    a.await("streaming", CLUSTERS);
    awaitEqual();
    first.store.die();
    first.server.abort();
    first.bury();
    sim.post("/rate", "rate", "30", "churn", "0.4");
    for (String point :
        List.of(
            "before-begin",
            "after-begin",
            "before-page",
            "after-page",
            "before-end",
            "after-end")) {
      sim.names().forEach(db::tamper);
      awaitDeath(next(point), point);
    }
    next(null);
    sim.post("/pause");
    a.await("streaming", CLUSTERS);
    awaitEqual();
  }

  /** Checkpoints come at an orderly end at the latest. */
  @Test
  void atACheckpoint() {
    RealAgent a = agent("agent", PLAIN);
    for (String point : List.of("before-checkpoint", "after-checkpoint")) {
      Plugin p = next(point);
      sim.post("/change", "count", "30");
      Map<String, Map<String, String>> there = sim.state();
      // The first checkpoints may come before the last of the changes.
      Programs.await(
          "it has got the changes, or has died",
          Duration.ofSeconds(40),
          () -> p.store.isDead() || stored().equals(there));
      Programs.pause(3000); // until the workers know that
      a.stop();
      awaitDeath(p, point);
      a.start();
    }
    next(null);
    a.await("streaming", CLUSTERS);
    awaitEqual();
  }
}
