// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A line in Clouddriver's log for each operation: who, account, what, object, result, time. What
 * only reads is said at level debug: there is much of it. No content of an object is ever in it.
 */
public final class AuditLog implements OperationRecord.Listener {
  /** A logger of its own, so that it can be sent elsewhere. */
  public static final String LOGGER = "io.scaleagent.clouddriver.audit";

  private static final Logger log = LoggerFactory.getLogger(LOGGER);

  @Override
  public void ended(OperationRecord r) {
    if (r.changes()) {
      log.info("{}", line(r));
    } else if (log.isDebugEnabled()) {
      log.debug("{}", line(r));
    }
  }

  static String line(OperationRecord r) {
    StringBuilder line = new StringBuilder();
    add(line, "account", r.account());
    add(line, "user", r.user());
    add(line, "operation", r.name());
    add(line, "verb", r.verb());
    add(line, "kind", r.kind());
    add(line, "namespace", r.namespace());
    add(line, "name", r.objectName());
    add(line, "result", r.result());
    add(line, "ms", String.valueOf(r.millis()));
    add(line, "server_ms", String.valueOf(r.serverMillis()));
    add(line, "id", r.id());
    add(line, "uid", r.uid());
    add(line, "message", r.message());
    return line.toString();
  }

  private static void add(StringBuilder line, String name, String value) {
    if (value.isEmpty()) {
      return;
    }
    String safe = Masks.line(value);
    boolean quoted = safe.chars().anyMatch(c -> c == ' ' || c == '"' || c == '=');
    line.append(line.length() == 0 ? "" : " ").append(name).append('=');
    line.append(quoted ? '"' + safe.replace("\\", "\\\\").replace("\"", "\\\"") + '"' : safe);
  }
}
