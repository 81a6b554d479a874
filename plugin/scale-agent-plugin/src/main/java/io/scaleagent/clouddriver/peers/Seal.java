// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.Objects;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * A message that only who knows the secret can have made, and only who knows it can read: results
 * carry what kubectl would return, Secrets among it, and Clouddrivers speak HTTP as a rule.
 *
 * <p>A call has a random id. From it and the secret (HMAC-SHA-256) come two keys, one for the
 * request and one for the response, each used for one message (AES-256-GCM). The id, the time and
 * the receiver are authenticated with the request, so it can't be sent to another Clouddriver, nor
 * later, nor to the same one after it started anew; and a response fits its request alone.
 */
final class Seal {
  static final int ID_BYTES = 16;
  private static final byte VERSION = 1;
  private static final int HEAD_BYTES = 1 + ID_BYTES + Long.BYTES;
  private static final int TAG_BITS = 128;

  /** The message was not made by who it should be, or was changed. */
  static final class BrokenException extends Exception {
    BrokenException(String message) {
      super(message);
    }
  }

  /** What a request says before it is opened. Not to be believed until then. */
  static final class Head {
    final byte[] id;
    final long millis;

    private Head(byte[] id, long millis) {
      this.id = id;
      this.millis = millis;
    }
  }

  private final byte[] secret;

  Seal(byte[] secret) {
    this.secret = Objects.requireNonNull(secret);
  }

  /**
   * @param to id of the Clouddriver that may open it
   */
  byte[] request(byte[] id, long millis, String to, byte[] plain) {
    byte[] head = ByteBuffer.allocate(HEAD_BYTES).put(VERSION).put(id).putLong(millis).array();
    byte[] body = crypt(Cipher.ENCRYPT_MODE, "request", id, head, to, plain, 0);
    return ByteBuffer.allocate(head.length + body.length).put(head).put(body).array();
  }

  static Head head(byte[] message) throws BrokenException {
    if (message.length < HEAD_BYTES || message[0] != VERSION) {
      throw new BrokenException("it is no message of a Clouddriver with this plugin's version");
    }
    ByteBuffer b = ByteBuffer.wrap(message, 1, message.length - 1);
    byte[] id = new byte[ID_BYTES];
    b.get(id);
    return new Head(id, b.getLong());
  }

  byte[] openRequest(byte[] message, String me) throws BrokenException {
    Head head = head(message);
    byte[] said = Arrays.copyOf(message, HEAD_BYTES);
    return open("request", head.id, said, me, message, HEAD_BYTES);
  }

  byte[] response(byte[] id, byte[] plain) {
    return crypt(Cipher.ENCRYPT_MODE, "response", id, new byte[0], "", plain, 0);
  }

  byte[] openResponse(byte[] id, byte[] message) throws BrokenException {
    return open("response", id, new byte[0], "", message, 0);
  }

  private byte[] open(String use, byte[] id, byte[] head, String to, byte[] data, int from)
      throws BrokenException {
    try {
      return crypt(Cipher.DECRYPT_MODE, use, id, head, to, data, from);
    } catch (IllegalStateException e) {
      throw new BrokenException("it was not made with this database's secret, or not for this use");
    }
  }

  private byte[] crypt(
      int mode, String use, byte[] id, byte[] head, String to, byte[] data, int from) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(secret, "HmacSHA256"));
      mac.update(("scale-agent " + use + " ").getBytes(StandardCharsets.US_ASCII));
      Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
      // The key is of this message alone, so the vector need not differ.
      cipher.init(
          mode,
          new SecretKeySpec(mac.doFinal(id), "AES"),
          new GCMParameterSpec(TAG_BITS, new byte[12]));
      cipher.updateAAD(head);
      cipher.updateAAD(to.getBytes(StandardCharsets.UTF_8));
      return cipher.doFinal(data, from, data.length - from);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }
}
