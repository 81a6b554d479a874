// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Named places of protocol.md at which a test ends or stops the process. In production there are
 * none.
 */
public interface Points {
  /** A system property that {@link #fromSystem} reads: "after-ack:3" dies at the third passing. */
  String KILL = "scale-agent.kill-at";

  /** The same, to stand still as by SIGSTOP. */
  String STOP = "scale-agent.stop-at";

  Points NONE = point -> {};

  /**
   * Called when the place is passed.
   *
   * @param point "before-ack", "after-commit" and so on
   */
  void at(String point);

  /** What {@link #KILL} and {@link #STOP} ask for; {@link #NONE} without them. */
  static Points fromSystem() {
    Points kill = of(System.getProperty(KILL, ""), () -> Runtime.getRuntime().halt(137));
    Points stop = of(System.getProperty(STOP, ""), Points::stop);
    return point -> {
      kill.at(point);
      stop.at(point);
    };
  }

  private static Points of(String asked, Runnable action) {
    String[] wanted = asked.split(":", 2);
    if (wanted[0].isEmpty()) {
      return NONE;
    }
    AtomicInteger left = new AtomicInteger(wanted.length > 1 ? Integer.parseInt(wanted[1]) : 1);
    return point -> {
      if (point.equals(wanted[0]) && left.decrementAndGet() == 0) {
        action.run();
      }
    };
  }

  /** The process stands still until somebody sends it SIGCONT. */
  private static void stop() {
    try {
      String self = Long.toString(ProcessHandle.current().pid());
      new ProcessBuilder("kill", "-STOP", self).start().waitFor();
    } catch (IOException | InterruptedException e) {
      throw new IllegalStateException("can't stop", e);
    }
  }
}
