// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.List;
import java.util.Objects;

/** The store's answer to {@link AccountStore#open}. */
public final class Opening {
  /** What was decided. */
  public enum Decision {
    /** The account is this agent's; the lease is good. */
    CACHING,
    /** Another agent keeps the account. */
    STANDBY,
    /** The name stands for another cluster, which another agent keeps. */
    NAME_IN_USE
  }

  private final Decision decision;
  private final Lease lease;
  private final List<StoredScope> scopes;
  private final String reason;

  private Opening(Decision decision, Lease lease, List<StoredScope> scopes, String reason) {
    this.decision = decision;
    this.lease = Objects.requireNonNull(lease);
    this.scopes = List.copyOf(scopes);
    this.reason = Objects.requireNonNull(reason);
  }

  /**
   * @param scopes everything that is stored of the account
   */
  public static Opening caching(Lease lease, List<StoredScope> scopes) {
    return new Opening(Decision.CACHING, lease, scopes, "");
  }

  /**
   * @param lease has the new epoch, which may write nothing
   */
  public static Opening standby(Lease lease, String keptBy) {
    return new Opening(Decision.STANDBY, lease, List.of(), keptBy);
  }

  /**
   * @param reason for people: which cluster, which agent
   */
  public static Opening nameInUse(Lease lease, String reason) {
    return new Opening(Decision.NAME_IN_USE, lease, List.of(), reason);
  }

  public Decision decision() {
    return decision;
  }

  public Lease lease() {
    return lease;
  }

  public List<StoredScope> scopes() {
    return scopes;
  }

  /** For people: why it is not CACHING; "" if it is. */
  public String reason() {
    return reason;
  }
}
