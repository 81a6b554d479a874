// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

/** An operation had no answer. The message says for people at which agent, where, and why. */
public final class CarrierException extends RuntimeException {
  private final boolean begun;

  /**
   * @param begun whether it was given to an agent, or may have been: then it may have been done
   */
  public CarrierException(String message, boolean begun) {
    super(message);
    this.begun = begun;
  }

  public CarrierException(String message, boolean begun, Throwable cause) {
    super(message, cause);
    this.begun = begun;
  }

  /** False: surely nothing was done, and the same operation may be sent again. */
  public boolean begun() {
    return begun;
  }
}
