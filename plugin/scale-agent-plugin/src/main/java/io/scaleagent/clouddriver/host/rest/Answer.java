// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.rest;

import io.scaleagent.clouddriver.host.AgentOperationException;
import io.scaleagent.clouddriver.protocol.StoreUnavailableException;
import java.util.function.Supplier;
import org.springframework.http.ResponseEntity;

/**
 * Turns what a request comes to into its response. Not by exception handlers: Clouddriver's own
 * come first, differ from version to version, and call everything an internal error.
 */
final class Answer {
  private Answer() {}

  static ResponseEntity<Object> of(Supplier<?> body) {
    try {
      return ResponseEntity.ok(body.get());
    } catch (Problem e) {
      return of(e);
    } catch (StoreUnavailableException e) {
      return of(new Problem(503, "Clouddriver's database does not answer: " + e.getMessage()));
    } catch (AgentOperationException e) {
      return of(new Problem(502, e.getMessage()));
    }
  }

  private static ResponseEntity<Object> of(Problem problem) {
    return ResponseEntity.status(problem.status()).body(problem.body());
  }
}
