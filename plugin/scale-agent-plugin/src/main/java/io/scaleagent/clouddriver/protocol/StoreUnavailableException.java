// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

/** The database did not answer, or refused, however often it was tried: nothing was written. */
public final class StoreUnavailableException extends RuntimeException {
  public StoreUnavailableException(String message, Throwable cause) {
    super(message, cause);
  }
}
