// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Named places of protocol.md at which a test ends or stops the process. In production there are
 * none.
 */
public interface Points {
  /**
   * The system property that {@link #fromSystem} reads: "after-ack:3" dies at the third passing.
   */
  String PROPERTY = "scale-agent.kill-at";

  Points NONE = point -> {};

  /**
   * Called when the place is passed.
   *
   * @param point "before-ack", "after-commit" and so on
   */
  void at(String point);

  /** What {@link #PROPERTY} asks for; {@link #NONE} without it. */
  static Points fromSystem() {
    String[] wanted = System.getProperty(PROPERTY, "").split(":", 2);
    if (wanted[0].isEmpty()) {
      return NONE;
    }
    AtomicInteger left = new AtomicInteger(wanted.length > 1 ? Integer.parseInt(wanted[1]) : 1);
    return point -> {
      if (point.equals(wanted[0]) && left.decrementAndGet() == 0) {
        Runtime.getRuntime().halt(137);
      }
    };
  }
}
