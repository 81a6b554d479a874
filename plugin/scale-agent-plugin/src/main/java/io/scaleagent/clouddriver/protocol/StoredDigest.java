// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Objects;

/**
 * What is kept of an object that was written: its digest, how it was converted, and what became of
 * it.
 */
public final class StoredDigest {
  private final Digest digest;
  private final String settings;
  private final WriteOutcome outcome;

  /**
   * @param settings {@link RowWriter#settings} under which it was converted
   * @param outcome whether there are rows of it; one that was left out counts in the sums all the
   *     same
   */
  public StoredDigest(Digest digest, String settings, WriteOutcome outcome) {
    this.digest = Objects.requireNonNull(digest);
    this.settings = Objects.requireNonNull(settings);
    this.outcome = Objects.requireNonNull(outcome);
  }

  public Digest digest() {
    return digest;
  }

  public String settings() {
    return settings;
  }

  public WriteOutcome outcome() {
    return outcome;
  }

  @Override
  public boolean equals(Object other) {
    if (!(other instanceof StoredDigest)) {
      return false;
    }
    StoredDigest o = (StoredDigest) other;
    return digest.equals(o.digest) && settings.equals(o.settings) && outcome == o.outcome;
  }

  @Override
  public int hashCode() {
    return digest.hashCode();
  }

  @Override
  public String toString() {
    return digest + " " + outcome + " (" + settings + ")";
  }
}
