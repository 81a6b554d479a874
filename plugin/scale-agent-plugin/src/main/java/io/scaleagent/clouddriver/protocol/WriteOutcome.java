// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

/** What became of an object that was given to {@link RowWriter#write}. */
public enum WriteOutcome {
  /** Its rows are there. */
  STORED,
  /**
   * Clouddriver's settings leave it out (onlySpinnakerManaged, kinds, the filter by front50's
   * applications).
   */
  FILTERED,
  /**
   * It can't be stored: its key is too long, or it is no manifest. The writer has said so to
   * people.
   */
  REJECTED
}
