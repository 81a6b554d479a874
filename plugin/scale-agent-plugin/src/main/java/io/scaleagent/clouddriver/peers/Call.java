// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/** What one Clouddriver asks another, and the answer, as bytes. Immutable. */
final class Call {
  /** Their places are on the wire: new ones go to the end. */
  enum What {
    /** An operation, for an account. */
    OPERATION,
    /** Nobody waits any more for the call of this id, in hexadecimal. */
    CANCEL,
    /** End the stream of the agent of this id. */
    DISCONNECT
  }

  private static final int MOST_PARTS = 1 << 20;
  private static final int MOST_TEXT = 4000;

  final What what;
  final String about;
  final long timeoutMillis;
  final byte[] body;

  Call(What what, String about, long timeoutMillis, byte[] body) {
    this.what = what;
    this.about = about;
    this.timeoutMillis = timeoutMillis;
    this.body = body;
  }

  byte[] encode() {
    return bytes(
        out -> {
          out.writeByte(what.ordinal());
          out.writeUTF(about);
          out.writeLong(timeoutMillis);
          write(out, body);
        });
  }

  /**
   * @throws IOException if it is of a version that knows more, or no call at all
   */
  static Call decode(byte[] data) throws IOException {
    DataInputStream in = new DataInputStream(new ByteArrayInputStream(data));
    int what = in.readUnsignedByte();
    if (what >= What.values().length) {
      throw new IOException("a call of kind " + what + ", which this version does not know");
    }
    return new Call(What.values()[what], in.readUTF(), in.readLong(), read(in));
  }

  /** The answer with the parts of a result; none for calls that have no result. */
  static byte[] answer(List<byte[]> parts) {
    return bytes(
        out -> {
          out.writeBoolean(true);
          out.writeInt(parts.size());
          for (byte[] part : parts) {
            write(out, part);
          }
        });
  }

  /** The answer that there is none. */
  static byte[] failure(CarrierException e) {
    String said = String.valueOf(e.getMessage());
    return bytes(
        out -> {
          out.writeBoolean(false);
          out.writeBoolean(e.begun());
          out.writeUTF(said.length() > MOST_TEXT ? said.substring(0, MOST_TEXT) : said);
        });
  }

  /**
   * @throws CarrierException if that is what it says
   */
  static List<byte[]> decodeAnswer(byte[] data) throws IOException {
    DataInputStream in = new DataInputStream(new ByteArrayInputStream(data));
    if (!in.readBoolean()) {
      boolean begun = in.readBoolean();
      throw new CarrierException(in.readUTF(), begun);
    }
    int count = in.readInt();
    if (count < 0 || count > MOST_PARTS) {
      throw new IOException(count + " parts");
    }
    List<byte[]> parts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      parts.add(read(in));
    }
    return parts;
  }

  private interface Writer {
    void to(DataOutputStream out) throws IOException;
  }

  private static byte[] bytes(Writer writer) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      writer.to(new DataOutputStream(bytes));
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory", e);
    }
    return bytes.toByteArray();
  }

  private static void write(DataOutputStream out, byte[] data) throws IOException {
    out.writeInt(data.length);
    out.write(data);
  }

  private static byte[] read(DataInputStream in) throws IOException {
    int length = in.readInt();
    if (length < 0 || length > in.available()) {
      throw new IOException("a part of " + length + " bytes in " + in.available());
    }
    return in.readNBytes(length);
  }
}
