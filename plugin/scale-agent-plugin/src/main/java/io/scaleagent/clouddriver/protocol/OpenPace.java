// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

/**
 * How soon an account may be asked of the store, and whether it is left to an agent with less to
 * do. Guarded by its session's lock.
 */
final class OpenPace {
  private static final int AT_ONCE = 10;

  private final long apartNanos;
  private long spent; // the moment up to which what came before has used up its share
  private boolean fresh = true;
  private boolean patient = true;

  /**
   * @param apartMillis once so many have come at once, how far apart the next have to be
   */
  OpenPace(long apartMillis) {
    this.apartNanos = apartMillis * 1_000_000;
  }

  /**
   * A worker asks for its account. Some in a row are let through at once, as of one that is started
   * again and again; the next have to be some time apart.
   *
   * @param now System.nanoTime()
   * @return nanoseconds to wait
   */
  long came(long now) {
    patient = true;
    if (fresh || now - spent > 0) {
      fresh = false;
      spent = now;
    }
    // What is not done, since the next comes before it, counts once.
    spent = Math.min(spent + apartNanos, now + (AT_ONCE + 1) * apartNanos);
    return Math.max(0, spent - now - AT_ONCE * apartNanos);
  }

  /** Another agent has it: if that one goes, the account may be left to a third one. */
  void standsBy() {
    patient = true;
  }

  /** It is kept, and asked for again: nobody else's. */
  void kept() {
    patient = false;
  }

  /** Whether it may wait for an agent that has less to do. Once, so that it is not nobody's. */
  boolean mayWait() {
    boolean may = patient;
    patient = false;
    return may;
  }
}
