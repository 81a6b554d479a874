// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Objects;

/** A stream of an agent to this Clouddriver, from its Hello on. */
public final class AgentConnection {
  private final String agentId;
  private final String zoneId;
  private final String agentVersion;
  private final String instance;
  private final long number;

  /**
   * @param agentId stable name of the agent
   * @param zoneId where it runs, "" if it does not say
   * @param agentVersion of its program
   * @param instance of its process, in hexadecimal: new with each start
   * @param number given by {@link AccountStore#connect}; grows for ever, over all Clouddrivers
   */
  public AgentConnection(
      String agentId, String zoneId, String agentVersion, String instance, long number) {
    this.agentId = Objects.requireNonNull(agentId);
    this.zoneId = Objects.requireNonNull(zoneId);
    this.agentVersion = Objects.requireNonNull(agentVersion);
    this.instance = Objects.requireNonNull(instance);
    this.number = number;
  }

  public String agentId() {
    return agentId;
  }

  public String zoneId() {
    return zoneId;
  }

  public String agentVersion() {
    return agentVersion;
  }

  public String instance() {
    return instance;
  }

  public long number() {
    return number;
  }

  @Override
  public String toString() {
    return "agent " + agentId + " (stream " + number + ")";
  }
}
