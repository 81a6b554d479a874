// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Collection;
import java.util.List;

/**
 * Clouddriver's cache, as far as an account's agent fills it. May be called by many threads, for an
 * account by one.
 */
public interface RowWriter {

  /**
   * A mark of all settings that decide how objects of the account become rows: two objects with the
   * same digest and mark give the same rows. Objects that were written under another mark are
   * stale: they are wanted again. When the mark of an account that is kept here changes, {@link
   * AgentDirectory#reopen} begins an epoch with the new one.
   *
   * @param properties as the account is about to be opened with
   * @return at most 64 characters of ASCII, never empty
   */
  String settings(String account, AccountProperties properties);

  /**
   * Makes ready for rows of these scopes, outside of any transaction: tables, for one, whose
   * creation would commit it. Called before the first write of an epoch and whenever scopes came
   * in.
   */
  void prepare(String account, Collection<ScopeType> scopes);

  /**
   * Writes rows of changed objects and whatever other rows these touch, and evicts those of deleted
   * ones. An object that is not STORED has no rows afterwards, whatever it had before.
   *
   * <p>The objects are what the agent sent: one that is no manifest of the change's kind and key is
   * REJECTED, and costs nothing but itself.
   *
   * @param changes at most one for each object, in any order
   * @return outcome of each change, in their order; STORED for a deleted one
   * @throws RuntimeException what the transaction's store asks it to retry for, or ends the
   *     account's epoch for
   */
  List<WriteOutcome> write(AccountTransaction transaction, List<RowChange> changes);

  /** Evicts all rows that came from these scopes, which are about to be deleted. */
  void dropScopes(AccountTransaction transaction, Collection<StoredScope> scopes);

  /**
   * The epoch is over here: what was kept in memory for it can go. A later epoch of the account may
   * have begun already, whose memory stays.
   */
  void forget(Lease lease);
}
