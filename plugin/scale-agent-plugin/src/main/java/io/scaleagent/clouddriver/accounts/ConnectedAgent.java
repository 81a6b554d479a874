// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.accounts;

import java.time.Instant;
import java.util.Objects;
import java.util.Set;

/** An agent's stream, to whichever Clouddriver. Immutable. */
public final class ConnectedAgent {
  private final String agentId;
  private final String clouddriverId;
  private final Instant connected;
  private final Set<String> accounts;
  private final Set<String> caching;

  /**
   * @param connected when it said Hello, by the database's clock
   * @param accounts all that it names
   * @param caching those that it keeps
   */
  public ConnectedAgent(
      String agentId,
      String clouddriverId,
      Instant connected,
      Set<String> accounts,
      Set<String> caching) {
    this.agentId = Objects.requireNonNull(agentId);
    this.clouddriverId = Objects.requireNonNull(clouddriverId);
    this.connected = Objects.requireNonNull(connected);
    this.accounts = Set.copyOf(accounts);
    this.caching = Set.copyOf(caching);
  }

  public String agentId() {
    return agentId;
  }

  public String clouddriverId() {
    return clouddriverId;
  }

  public Instant connected() {
    return connected;
  }

  public Set<String> accounts() {
    return accounts;
  }

  public Set<String> caching() {
    return caching;
  }
}
