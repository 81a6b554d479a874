// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * 16 bytes as a number, little-endian: the digest of an object, or the sum of digests modulo 2^128.
 * Immutable; {@link #ZERO} is the sum of nothing.
 */
public final class Digest {
  public static final int BYTES = 16;
  public static final Digest ZERO = new Digest(0, 0);

  private final long low;
  private final long high;

  private Digest(long low, long high) {
    this.low = low;
    this.high = high;
  }

  /**
   * @throws IllegalArgumentException unless there are 16 bytes
   */
  public static Digest of(byte[] bytes) {
    if (bytes.length != BYTES) {
      throw new IllegalArgumentException("a digest of " + bytes.length + " bytes");
    }
    ByteBuffer b = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    return new Digest(b.getLong(), b.getLong());
  }

  /** The 16 bytes, in an array of the caller's own. */
  public byte[] bytes() {
    return ByteBuffer.allocate(BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(low)
        .putLong(high)
        .array();
  }

  /** This plus the other, modulo 2^128. */
  public Digest plus(Digest o) {
    long sum = low + o.low;
    long carry = Long.compareUnsigned(sum, low) < 0 ? 1 : 0;
    return new Digest(sum, high + o.high + carry);
  }

  /** This less the other, modulo 2^128. */
  public Digest minus(Digest o) {
    long borrow = Long.compareUnsigned(low, o.low) < 0 ? 1 : 0;
    return new Digest(low - o.low, high - o.high - borrow);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Digest && low == ((Digest) other).low && high == ((Digest) other).high;
  }

  @Override
  public int hashCode() {
    return Long.hashCode(low) ^ 31 * Long.hashCode(high);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(2 * BYTES);
    for (byte b : bytes()) {
      text.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
    }
    return text.toString();
  }
}
