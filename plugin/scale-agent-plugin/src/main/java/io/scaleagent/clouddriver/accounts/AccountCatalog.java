// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.accounts;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The database's view of agents, accounts and Clouddrivers, whichever Clouddriver an agent is
 * connected to. Made by the store. May be called by many threads; each method waits for the
 * database and throws {@link io.scaleagent.clouddriver.protocol.StoreUnavailableException} if it
 * does not answer.
 */
public interface AccountCatalog {

  /**
   * A number that is another one whenever {@link #accounts} may give other names or definitions.
   * Cheap: asked every second by each Clouddriver. Who keeps an account does not change it.
   */
  long revision();

  /** Every account that an agent has opened at some time and that was not retracted since. */
  List<AgentAccount> accounts();

  /** The account, or empty if no agent brings it. */
  Optional<AgentAccount> account(String name);

  /**
   * Which of these accounts have objects of a resource stored, by their agents' count.
   *
   * @param group "" for the core group
   * @param resource in the plural, "namespaces"
   */
  Set<String> storing(Collection<String> accounts, String group, String resource);

  /** Agents that are connected to a Clouddriver that is alive. */
  List<ConnectedAgent> agents();

  /** Clouddrivers that were alive within the last minutes, this one among them. */
  List<Replica> clouddrivers();

  /** The id under which this Clouddriver keeps its leases. */
  String clouddriverId();
}
