// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.List;
import java.util.Objects;

/** Who is at the other end of a stream, as its connection shows it. */
public final class Client {
  private final String peer;
  private final String subject;

  /**
   * @param peer address, for people
   * @param subject of its certificate by RFC 2253, "" if it showed none
   */
  public Client(String peer, String subject) {
    this.peer = Objects.requireNonNull(peer);
    this.subject = Objects.requireNonNull(subject);
  }

  public String peer() {
    return peer;
  }

  public String subject() {
    return subject;
  }

  @Override
  public String toString() {
    return subject.isEmpty() ? peer : String.join(" ", List.of(peer, "(" + subject + ")"));
  }
}
