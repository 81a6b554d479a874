// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.time.Instant;
import java.util.Objects;
import java.util.Set;

/** A connected agent at one moment. */
public final class AgentStatus {
  private final AgentConnection connection;
  private final String peer;
  private final Instant since;
  private final Set<String> accounts;
  private final Set<String> caching;

  /**
   * @param peer address it came from
   * @param since when it said Hello, by this machine's clock
   * @param accounts all that it names
   * @param caching those that it keeps
   */
  public AgentStatus(
      AgentConnection connection,
      String peer,
      Instant since,
      Set<String> accounts,
      Set<String> caching) {
    this.connection = Objects.requireNonNull(connection);
    this.peer = Objects.requireNonNull(peer);
    this.since = Objects.requireNonNull(since);
    this.accounts = Set.copyOf(accounts);
    this.caching = Set.copyOf(caching);
  }

  public AgentConnection connection() {
    return connection;
  }

  public String peer() {
    return peer;
  }

  public Instant since() {
    return since;
  }

  public Set<String> accounts() {
    return accounts;
  }

  public Set<String> caching() {
    return caching;
  }
}
