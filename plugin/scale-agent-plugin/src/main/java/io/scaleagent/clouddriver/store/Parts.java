// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** Cuts long lists into statements. */
public final class Parts {
  private Parts() {}

  /** The elements in their order, in lists of at most size. */
  public static <T> List<List<T>> of(Collection<T> all, int size) {
    List<List<T>> parts = new ArrayList<>();
    List<T> part = null;
    for (T one : all) {
      if (part == null || part.size() == size) {
        part = new ArrayList<>(Math.min(size, all.size()));
        parts.add(part);
      }
      part.add(one);
    }
    return parts;
  }
}
