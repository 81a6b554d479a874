// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.protocol.AccountProperties;

/** Gives the converter of an account as it is loaded at present. May be called by many threads. */
public interface ConverterSource {

  /**
   * @throws IllegalStateException if the account can't be loaded; the message says why
   */
  ObjectConverter converter(String account);

  /** See {@link io.scaleagent.clouddriver.protocol.RowWriter#settings}. */
  String settings(String account, AccountProperties properties);
}
