// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import io.scaleagent.clouddriver.protocol.AgentDirectory;
import io.scaleagent.clouddriver.protocol.AgentStatus;
import io.scaleagent.clouddriver.protocol.Threads;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What has to be looked at now and then: accounts whose agents are gone for long, and accounts
 * whose settings have changed while an agent keeps them.
 */
public final class Housekeeping implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Housekeeping.class);
  private static final long PERIOD_SECONDS = 10;

  private final ManagedAccounts accounts;
  private final AgentDirectory directory;
  private final Supplier<Set<String>> cleanUp;
  private final Map<String, String> marks = new HashMap<>();
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(Threads.named("scale-agent-housekeeping"));

  /**
   * @param cleanUp removes accounts that no agent has brought for long; their names
   */
  public Housekeeping(
      ManagedAccounts accounts, AgentDirectory directory, Supplier<Set<String>> cleanUp) {
    this.accounts = accounts;
    this.directory = directory;
    this.cleanUp = cleanUp;
  }

  public void start() {
    thread.scheduleWithFixedDelay(this::step, PERIOD_SECONDS, PERIOD_SECONDS, TimeUnit.SECONDS);
  }

  /** Once; errors are said and the next time comes all the same. */
  void step() {
    try {
      reopenChanged();
      Set<String> gone = cleanUp.get();
      if (!gone.isEmpty()) {
        log.info("No agent has brought these accounts for long, they are gone: {}", gone);
      }
    } catch (RuntimeException e) {
      log.warn("Housekeeping failed, it goes on later", e);
    }
  }

  private void reopenChanged() {
    Set<String> kept = new TreeSet<>();
    for (AgentStatus agent : directory.agents()) {
      kept.addAll(agent.caching());
    }
    marks.keySet().retainAll(kept);
    for (String account : kept) {
      String now = accounts.mark(account);
      if (now == null) {
        continue;
      }
      String before = marks.put(account, now);
      if (before != null && !before.equals(now)) {
        log.info("Account {}: settings that decide its rows have changed", account);
        directory.reopen(account, "settings of Clouddriver have changed");
      }
    }
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
