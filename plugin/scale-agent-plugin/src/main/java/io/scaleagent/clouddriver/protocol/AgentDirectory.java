// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Collection;

/**
 * The streams of this Clouddriver as the rest of the plugin sees them: for REST, metrics and
 * administration.
 */
public interface AgentDirectory {

  /** Agents that are connected here at this moment. */
  Collection<AgentStatus> agents();

  /**
   * Ends the agent's stream by a Goodbye; it connects again after a while, perhaps to another
   * Clouddriver.
   *
   * @return false if it is not connected here
   */
  boolean disconnect(String agentId, String reason, long retryAfterMillis);

  /**
   * Begins a new epoch of an account that is kept here, so that all of its scopes are compared:
   * what is stale is wanted again.
   *
   * @return false if it is not kept here
   */
  boolean reopen(String account, String reason);
}
