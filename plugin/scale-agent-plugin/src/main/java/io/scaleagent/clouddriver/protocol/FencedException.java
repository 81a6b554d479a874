// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

/**
 * The account was given to someone else, or this Clouddriver was taken for dead: nothing was
 * written.
 */
public final class FencedException extends Exception {
  public FencedException(String message) {
    super(message);
  }
}
