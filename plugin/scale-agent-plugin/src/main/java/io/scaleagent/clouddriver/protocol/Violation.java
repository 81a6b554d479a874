// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

/** Someone broke the protocol. The message says how, and goes to the other side. */
final class Violation extends RuntimeException {
  Violation(String message) {
    super(message, null, false, false);
  }

  /**
   * @param format as of String.format
   */
  static void require(boolean good, String format, Object... values) {
    if (!good) {
      throw new Violation(String.format(format, values));
    }
  }
}
