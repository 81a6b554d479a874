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
  private final String settings;

  /**
   * @param settings {@link RowWriter#settings} as of the opening: the mark of all that is written
   *     in the epoch
   */
  public Lease(String account, long epoch, AgentConnection agent, String settings) {
    this.account = Objects.requireNonNull(account);
    this.epoch = epoch;
    this.agent = Objects.requireNonNull(agent);
    this.settings = Objects.requireNonNull(settings);
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

  /** The mark of how objects become rows in this epoch. */
  public String settings() {
    return settings;
  }

  @Override
  public String toString() {
    return "account " + account + ", epoch " + epoch + ", " + agent;
  }
}
