// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Objects;

/** Count and sum of a scope, kept in the transaction of its rows. Immutable. */
public final class ScopeTotals {
  public static final ScopeTotals NONE = new ScopeTotals(0, Digest.ZERO, 0);

  private final long count;
  private final Digest sum;
  private final long stale;

  /**
   * @param count objects with a digest, whatever its settings and outcome
   * @param sum of their digests
   * @param stale how many of them were converted under other settings than the lease's, so that
   *     they are wanted again; such a scope is not in step. It is exact: a store that finds digests
   *     under another mark than the lease's counts them when the account is opened
   */
  public ScopeTotals(long count, Digest sum, long stale) {
    this.count = count;
    this.sum = Objects.requireNonNull(sum);
    this.stale = stale;
  }

  public long count() {
    return count;
  }

  public Digest sum() {
    return sum;
  }

  public long stale() {
    return stale;
  }

  @Override
  public boolean equals(Object other) {
    if (!(other instanceof ScopeTotals)) {
      return false;
    }
    ScopeTotals o = (ScopeTotals) other;
    return count == o.count && sum.equals(o.sum) && stale == o.stale;
  }

  @Override
  public int hashCode() {
    return sum.hashCode();
  }

  @Override
  public String toString() {
    return count + " objects, sum " + sum + (stale == 0 ? "" : ", " + stale + " stale");
  }
}
