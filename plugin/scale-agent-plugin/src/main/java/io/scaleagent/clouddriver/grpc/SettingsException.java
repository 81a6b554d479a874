// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

/**
 * A setting that can't be honoured. The message names it by its full key, and says what was
 * expected.
 */
public final class SettingsException extends RuntimeException {
  public SettingsException(String message) {
    super(message);
  }

  public SettingsException(String message, Throwable cause) {
    super(message, cause);
  }
}
