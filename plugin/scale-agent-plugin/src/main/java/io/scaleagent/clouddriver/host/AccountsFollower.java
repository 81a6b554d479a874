// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.protocol.Threads;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps this Clouddriver's accounts those of the catalog: agents that are connected to another
 * Clouddriver bring accounts to this one as well.
 */
public final class AccountsFollower implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(AccountsFollower.class);
  private static final long PERIOD_MILLIS = 1000;
  private static final int LOOKS = 60; // one after the other
  private static final int LOOKS_APART = 60; // and then

  private final ManagedAccounts accounts;
  private final CachedReads reads;
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(Threads.named("scale-agent-accounts"));
  private final Map<String, Integer> looks = new HashMap<>();
  private boolean failing;

  /**
   * @param reads tells when the namespaces of an account are there
   */
  public AccountsFollower(ManagedAccounts accounts, CachedReads reads) {
    this.accounts = accounts;
    this.reads = reads;
  }

  /** Loads what the catalog has, and follows it from then on. */
  public void start(AccountCatalog catalog) {
    accounts.follow(catalog);
    step();
    thread.scheduleWithFixedDelay(this::step, PERIOD_MILLIS, PERIOD_MILLIS, TimeUnit.MILLISECONDS);
  }

  private void step() {
    try {
      accounts.refresh();
      lookForNamespaces();
      failing = false;
    } catch (RuntimeException e) {
      if (!failing) {
        log.warn("The accounts of agents can't be read; trying again", e);
      }
      failing = true;
    }
  }

  /** An agent that does not follow namespaces brings none, so nobody looks each second for ever. */
  private void lookForNamespaces() {
    Set<String> without = accounts.withoutNamespaces();
    looks.keySet().retainAll(without);
    Set<String> due = new HashSet<>();
    for (String name : without) {
      int look = looks.merge(name, 1, Integer::sum);
      if (look <= LOOKS || look % LOOKS_APART == 0) {
        due.add(name);
      }
    }
    Set<String> came = reads.withNamespaces(due);
    if (!came.isEmpty()) {
      accounts.namespacesCame(came); // at once: each time, all accounts are gone through
    }
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
