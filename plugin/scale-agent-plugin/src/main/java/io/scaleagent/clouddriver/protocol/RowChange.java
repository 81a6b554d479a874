// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.nio.ByteBuffer;
import java.util.Objects;

/** An object of an account that is new, has changed or is gone. */
public final class RowChange {
  private final ScopeType scope;
  private final ObjectKey key;
  private final ByteBuffer object;

  private RowChange(ScopeType scope, ObjectKey key, ByteBuffer object) {
    this.scope = Objects.requireNonNull(scope);
    this.key = Objects.requireNonNull(key);
    this.object = object;
  }

  /**
   * @param object JSON in UTF-8, scrubbed; not copied, never changed afterwards
   */
  public static RowChange put(ScopeType scope, ObjectKey key, ByteBuffer object) {
    return new RowChange(scope, key, object.asReadOnlyBuffer());
  }

  public static RowChange delete(ScopeType scope, ObjectKey key) {
    return new RowChange(scope, key, null);
  }

  public ScopeType scope() {
    return scope;
  }

  public ObjectKey key() {
    return key;
  }

  public boolean deleted() {
    return object == null;
  }

  /**
   * The object, JSON in UTF-8: a view of the caller's own.
   *
   * @throws IllegalStateException if it is deleted
   */
  public ByteBuffer object() {
    if (object == null) {
      throw new IllegalStateException(key + " is deleted");
    }
    return object.duplicate();
  }

  @Override
  public String toString() {
    return (deleted() ? "delete " : "put ") + scope.kind() + " " + key;
  }
}
