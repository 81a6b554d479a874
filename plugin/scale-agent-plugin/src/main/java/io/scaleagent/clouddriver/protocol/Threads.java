// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;

/** Threads with names that explain themselves in a dump. */
public final class Threads {
  private Threads() {}

  /** Daemon threads "NAME-1", "NAME-2" and so on. */
  public static ThreadFactory named(String name) {
    AtomicInteger number = new AtomicInteger();
    return task -> {
      Thread t = new Thread(task, name + "-" + number.incrementAndGet());
      t.setDaemon(true);
      return t;
    };
  }
}
