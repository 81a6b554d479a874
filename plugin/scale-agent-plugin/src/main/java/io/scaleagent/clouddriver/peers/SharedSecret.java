// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

/** What all Clouddrivers of a database share. May be called by many threads. */
public interface SharedSecret {

  /** 32 bytes. Asks the database at times; {@link #refresh} has it asked again. */
  byte[] secret();

  /** Milliseconds since 1970 by the database's clock, as far as it is known. */
  long now();

  /** A message did not fit: perhaps the secret was changed. Asks the database, but not often. */
  void refresh();
}
