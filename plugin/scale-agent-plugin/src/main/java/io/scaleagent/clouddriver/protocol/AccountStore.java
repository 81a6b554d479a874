// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Collection;
import java.util.Set;

/**
 * What outlives a Clouddriver: agents, accounts, who keeps which, scopes, digests, sums and
 * checkpoints. Time is the database's. All methods may be called by many threads and wait for the
 * database; each throws {@link StoreUnavailableException} if it can't be done, and then has done
 * nothing. Deadlocks and lost connections are retried inside.
 */
public interface AccountStore {

  /**
   * An agent has said Hello on a new stream. Other streams of that agent, here or at other
   * Clouddrivers, are over from now on: what they still commit may be refused, and {@link
   * #superseded} names them.
   *
   * @param instance of the agent's process, in hexadecimal
   * @param peer address it came from, for people
   */
  AgentConnection connect(
      String agentId, String zoneId, String agentVersion, String instance, String peer);

  /**
   * The stream is over. Its leases are free at once; rows stay. Does nothing if it was done before.
   */
  void disconnect(AgentConnection agent);

  /**
   * Which of these streams, all of this Clouddriver, ended because their agent connected anew
   * elsewhere.
   */
  Set<AgentConnection> superseded(Collection<AgentConnection> mine);

  /**
   * The agent names all of its accounts. Those that it named before and does not name now are taken
   * from it: an account that no other agent names is retracted, with everything that is stored of
   * it.
   *
   * @return names that were retracted
   */
  Set<String> named(AgentConnection agent, Set<String> accounts);

  /**
   * Gives a new epoch, whatever the decision is, and commits before it returns. An agent that keeps
   * the account already (by its id) gets it again, and its earlier epoch is over; an account that
   * another live agent keeps is not taken away. If the cluster is another one than the stored one
   * and nobody else keeps the account, its rows and checkpoints are dropped.
   *
   * @param properties are stored, and make the account's definition
   * @param settings {@link RowWriter#settings} as of now: what is stored under another mark is
   *     stale in this epoch. It becomes the lease's
   */
  Opening open(
      AgentConnection agent, String account, AccountProperties properties, String settings);

  /**
   * Whether the agent keeps its share already of the accounts that it and those others may keep
   * that name this account and are connected, to whichever Clouddriver. As of now: it says nothing
   * of whether one of the others will ask for it.
   */
  boolean hasItsShare(AgentConnection agent, String account);

  /**
   * The worker is gone: others may take the account at once. Rows stay. Does nothing if the lease
   * is over.
   */
  void release(Lease lease);

  /**
   * Which of these accounts nobody keeps at present, so that a standby may ask for them by {@link
   * #open}.
   */
  Set<String> unkept(Collection<String> accounts);

  /**
   * Runs work in one transaction, which is committed when it returns and rolled back when it
   * throws. It begins with taking the account's lock and checking the lease, and no other epoch of
   * the account can be given until it ended. The work may be run again from its start, if the
   * database asks for that: it must leave nothing behind but its result.
   *
   * @throws FencedException if the lease is over; the work did not run, or was rolled back
   */
  <T> T transact(Lease lease, Work<T> work) throws FencedException;

  /** What is run in a transaction. */
  interface Work<T> {
    T run(AccountTransaction transaction);
  }

  /**
   * Says that this Clouddriver is alive: its leases are good for {@link #leaseMillis} from now on.
   * Called by the engine at least three times in that.
   *
   * @return false if it was silent for too long: every lease that it was given before is over
   */
  boolean renew();

  /** How long a lease is good after {@link #renew}. */
  long leaseMillis();
}
