// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.accounts;

import io.scaleagent.clouddriver.protocol.AccountProperties;

/**
 * The agents' accounts as this Clouddriver has loaded them. Made by the host. May be called by many
 * threads.
 */
public interface LoadedAccounts {

  /**
   * The account, ready for rows. If it is not loaded yet, or by an older definition, it is loaded
   * now from the {@link AccountCatalog}; that takes milliseconds.
   *
   * @throws IllegalStateException if the catalog has no such account, or its definition can't be
   *     used; the message says why
   */
  LoadedAccount require(String account);

  /**
   * A mark of all settings that decide which objects of an account become rows, and how: the same
   * objects and mark give the same rows, names apart. Needs no loaded account: it is asked for
   * before there is one.
   *
   * @return at most 64 characters of ASCII
   */
  String settings(String account, AccountProperties properties);
}
