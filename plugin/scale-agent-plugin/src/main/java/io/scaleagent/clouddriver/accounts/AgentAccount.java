// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.accounts;

import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.time.Instant;
import java.util.Objects;

/** An account of agents, as it stands in the database. Immutable. */
public final class AgentAccount {
  private final String name;
  private final AccountProperties properties;
  private final String zoneId;
  private final int connections;
  private final String agentId;
  private final String clouddriverId;
  private final Instant updated;

  /**
   * @param properties as the agent said that opened it last
   * @param zoneId of that agent, "" if it does not say
   * @param connections of agents at this moment that name the account
   * @param agentId of the agent that keeps it, "" if nobody does at present
   * @param clouddriverId of the Clouddriver that this agent is connected to, "" if there is none
   * @param updated when properties changed, by the database's clock
   */
  public AgentAccount(
      String name,
      AccountProperties properties,
      String zoneId,
      int connections,
      String agentId,
      String clouddriverId,
      Instant updated) {
    this.name = Objects.requireNonNull(name);
    this.properties = Objects.requireNonNull(properties);
    this.zoneId = Objects.requireNonNull(zoneId);
    this.connections = connections;
    this.agentId = Objects.requireNonNull(agentId);
    this.clouddriverId = Objects.requireNonNull(clouddriverId);
    this.updated = Objects.requireNonNull(updated);
  }

  public String name() {
    return name;
  }

  public AccountProperties properties() {
    return properties;
  }

  public String zoneId() {
    return zoneId;
  }

  public int connections() {
    return connections;
  }

  public String agentId() {
    return agentId;
  }

  public String clouddriverId() {
    return clouddriverId;
  }

  public Instant updated() {
    return updated;
  }

  /** Whether an agent keeps it at this moment. */
  public boolean kept() {
    return !agentId.isEmpty();
  }
}
