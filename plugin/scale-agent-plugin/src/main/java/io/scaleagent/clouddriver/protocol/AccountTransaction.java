// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/** What is stored of one account, within {@link AccountStore#transact}. Used by one thread. */
public interface AccountTransaction {

  Lease lease();

  /**
   * Makes the account's scopes be these: those that are missing are made (empty), those that are
   * not named are deleted with their digests and checkpoints. Their rows are not this method's: see
   * {@link RowWriter#dropScopes}.
   *
   * @return id of each
   */
  Map<ScopeName, Long> scopes(Collection<ScopeType> scopes);

  /** The account's scopes outside of these: what {@link #scopes} would delete. */
  Collection<StoredScope> scopesOutside(Set<ScopeName> names);

  /** Count and sum as of now, with what this transaction has written. */
  ScopeTotals totals(long scope);

  /**
   * The digests of those keys that are stored, with what this transaction has written.
   *
   * @param keys by scope
   * @return by scope, for each of those that were asked for
   */
  Map<Long, Map<ObjectKey, StoredDigest>> digests(Map<Long, Set<ObjectKey>> keys);

  /** The same of one scope. */
  default Map<ObjectKey, StoredDigest> digests(long scope, Collection<ObjectKey> keys) {
    return digests(Map.of(scope, Set.copyOf(keys))).get(scope);
  }

  /** Every key of the scope, in any order. The consumer must not use the transaction. */
  void forEachKey(long scope, Consumer<ObjectKey> consumer);

  /**
   * Writes digests of a scope and, in the same step, its totals.
   *
   * @param puts new or changed
   * @param deletes keys that are stored
   * @param totals what count and sum are afterwards: the caller knows what it replaced
   */
  void update(
      long scope, Map<ObjectKey, StoredDigest> puts, Set<ObjectKey> deletes, ScopeTotals totals);

  /**
   * @param resourceVersion "" to forget the checkpoint
   * @param fingerprint see {@link StoredScope}
   */
  void checkpoint(long scope, String resourceVersion, byte[] fingerprint);

  /**
   * The transaction's own handle, for the row writer that belongs to this store.
   *
   * @throws IllegalArgumentException if there is none of that type
   */
  <T> T unwrap(Class<T> type);
}
