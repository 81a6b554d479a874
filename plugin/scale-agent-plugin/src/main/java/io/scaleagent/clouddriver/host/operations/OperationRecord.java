// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import io.scaleagent.clouddriver.protocol.OperationTraits;
import io.scaleagent.proto.v1.ObjectName;
import io.scaleagent.proto.v1.Operation;
import java.util.Locale;

/**
 * An operation that has ended, for log, history and metrics: what was asked, and what came of it.
 */
public final class OperationRecord {
  /** Is told of every operation, in the thread of who asked; must not wait and not throw. */
  public interface Listener {
    void ended(OperationRecord record);
  }

  /** The result of an operation that nobody has answered. */
  public static final String LOST = "LOST";

  private final String account;
  private final Operation operation;
  private final ObjectName object;
  private final String result;
  private final String message;
  private final String uid;
  private final String resourceVersion;
  private final long millis;
  private final int serverMillis;

  /**
   * @param object that it is about; a kind alone, or nothing, where it is about several
   * @param result name of a code, or {@link #LOST}
   */
  OperationRecord(
      String account,
      Operation operation,
      ObjectName object,
      String result,
      String message,
      String uid,
      String resourceVersion,
      long millis,
      int serverMillis) {
    this.account = account;
    this.operation = operation;
    this.object = object;
    this.result = result;
    this.message = Masks.text(object.getKind(), message);
    this.uid = uid;
    this.resourceVersion = resourceVersion;
    this.millis = millis;
    this.serverMillis = serverMillis;
  }

  public String id() {
    return HexText.of(operation.getId());
  }

  public String account() {
    return account;
  }

  /** Who had it done; "" if that is not known. */
  public String user() {
    return operation.getUser();
  }

  /** Clouddriver's name of the operation that this was a part of; "" if there was none. */
  public String name() {
    return operation.getName();
  }

  /** "apply", "get", "rollout_undo". */
  public String verb() {
    String verb = operation.getBodyCase().name().toLowerCase(Locale.ROOT);
    return operation.hasRollout()
        ? verb + "_" + operation.getRollout().getVerb().name().toLowerCase(Locale.ROOT)
        : verb;
  }

  public String kind() {
    return object.getKind();
  }

  public String namespace() {
    return object.getNamespace();
  }

  public String objectName() {
    return object.getName();
  }

  public String result() {
    return result;
  }

  /** What was said of it, without secrets. */
  public String message() {
    return message;
  }

  public String uid() {
    return uid;
  }

  public String resourceVersion() {
    return resourceVersion;
  }

  /** As the asker waited. */
  public long millis() {
    return millis;
  }

  /** Of these, spent by the agent waiting for the API server. */
  public int serverMillis() {
    return serverMillis;
  }

  /** Whether it may have changed something. */
  public boolean changes() {
    return OperationTraits.changes(operation);
  }
}
