// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Objects;

/**
 * The right to write an account's rows, for as long as no later epoch was given and this
 * Clouddriver is alive by the database's clock.
 */
public final class Lease {
  private final String account;
  private final long epoch;
  private final AgentConnection agent;

  public Lease(String account, long epoch, AgentConnection agent) {
    this.account = Objects.requireNonNull(account);
    this.epoch = epoch;
    this.agent = Objects.requireNonNull(agent);
  }

  public String account() {
    return account;
  }

  /** Grows for ever over all accounts and Clouddrivers: the fencing token. */
  public long epoch() {
    return epoch;
  }

  public AgentConnection agent() {
    return agent;
  }

  @Override
  public String toString() {
    return "account " + account + ", epoch " + epoch + ", " + agent;
  }
}
