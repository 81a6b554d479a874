// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.Objects;

/** The name of an object within its scope. */
public final class ObjectKey {
  private final String namespace;
  private final String name;

  /**
   * @param namespace "" where the kind has none
   */
  public ObjectKey(String namespace, String name) {
    this.namespace = Objects.requireNonNull(namespace);
    this.name = Objects.requireNonNull(name);
  }

  public String namespace() {
    return namespace;
  }

  public String name() {
    return name;
  }

  @Override
  public boolean equals(Object other) {
    if (!(other instanceof ObjectKey)) {
      return false;
    }
    ObjectKey o = (ObjectKey) other;
    return name.equals(o.name) && namespace.equals(o.namespace);
  }

  @Override
  public int hashCode() {
    return 31 * namespace.hashCode() + name.hashCode();
  }

  @Override
  public String toString() {
    return namespace.isEmpty() ? name : namespace + "/" + name;
  }
}
