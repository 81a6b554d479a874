// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import org.jooq.DSLContext;

/** Deletes what Clouddriver's cache holds of an account that goes. */
public interface AccountEraser {

  /**
   * Deletes every row that was written for the account by the plugin, in the caller's transaction.
   * The account's lock is held.
   */
  void erase(DSLContext tx, String account);

  /** What was kept in memory of the account is no longer true. */
  void forget(String account);
}
