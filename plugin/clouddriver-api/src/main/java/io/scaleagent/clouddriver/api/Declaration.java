// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.api;

/**
 * What stands in the methods of the declared classes: this module is there to compile against and
 * is never shipped, so nobody should ever come here. What a test needs (names, kinds, settings)
 * works.
 */
public final class Declaration {
  private Declaration() {}

  /** The exception to throw where only the signature is known. */
  public static UnsupportedOperationException only() {
    return new UnsupportedOperationException(
        "a declaration of clouddriver-api, not Clouddriver itself: put the real jar on the class path");
  }
}
