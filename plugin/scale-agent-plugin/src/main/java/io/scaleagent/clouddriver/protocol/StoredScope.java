// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Objects;

/** A scope as it stands in the store when an account is opened. */
public final class StoredScope {
  private final long id;
  private final ScopeType type;
  private final ScopeTotals totals;
  private final String resourceVersion;
  private final byte[] fingerprint;
  private final long ageMillis;

  /**
   * @param id of the store's own; means this scope for as long as the account keeps it
   * @param resourceVersion of the last checkpoint, "" if there is none
   * @param fingerprint what the agent said with that checkpoint of the settings by which it made
   *     its objects, never looked into; empty if there is none
   * @param ageMillis since the checkpoint was committed, by the database's clock; 0 if there is
   *     none
   */
  public StoredScope(
      long id,
      ScopeType type,
      ScopeTotals totals,
      String resourceVersion,
      byte[] fingerprint,
      long ageMillis) {
    this.id = id;
    this.type = Objects.requireNonNull(type);
    this.totals = Objects.requireNonNull(totals);
    this.resourceVersion = Objects.requireNonNull(resourceVersion);
    this.fingerprint = fingerprint.clone();
    this.ageMillis = ageMillis;
  }

  public long id() {
    return id;
  }

  public ScopeType type() {
    return type;
  }

  public ScopeTotals totals() {
    return totals;
  }

  public String resourceVersion() {
    return resourceVersion;
  }

  public byte[] fingerprint() {
    return fingerprint.clone();
  }

  public long ageMillis() {
    return ageMillis;
  }

  @Override
  public String toString() {
    return type + ": " + totals;
  }
}
