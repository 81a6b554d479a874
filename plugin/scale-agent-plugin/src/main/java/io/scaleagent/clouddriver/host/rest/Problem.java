// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.rest;

import java.util.Map;
import org.springframework.http.HttpStatus;

/** A request that can't be answered, with what to tell the client. */
final class Problem extends RuntimeException {
  private final int status;

  Problem(int status, String message) {
    super(message);
    this.status = status;
  }

  static Problem notFound(String what) {
    return new Problem(HttpStatus.NOT_FOUND.value(), what);
  }

  int status() {
    return status;
  }

  Map<String, Object> body() {
    return Map.of("status", status, "message", getMessage());
  }
}
