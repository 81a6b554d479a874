// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import io.scaleagent.clouddriver.protocol.ObjectKey;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/** How an object's name is found in the tables. */
public final class Keys {
  private static final int BYTES = 16;

  private Keys() {}

  /** 16 bytes that stand for a key: names differ in ways that an index of text does not see. */
  public static byte[] hash(ObjectKey key) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      sha.update(key.namespace().getBytes(StandardCharsets.UTF_8));
      sha.update((byte) 0);
      sha.update(key.name().getBytes(StandardCharsets.UTF_8));
      return Arrays.copyOf(sha.digest(), BYTES);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
