// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.protocol.ObjectKey;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** An object in the index: what its row's and its neighbours' relationships depend on. */
final class Node {
  final String id;
  final String group;
  final ObjectKey key;

  /** What the object itself names. */
  final Set<String> links;

  /** Null if it does not relate to others of its namespace beyond its links. */
  final Map<String, Object> part;

  /** What it belongs to by way of its part. */
  Set<String> related;

  /** Scopes that have it: more than one where an API server serves it by two groups. */
  final Set<Long> scopes = new HashSet<>(2);

  Node(
      String id,
      String group,
      ObjectKey key,
      Set<String> links,
      Set<String> related,
      Map<String, Object> part) {
    this.id = Objects.requireNonNull(id);
    this.group = Objects.requireNonNull(group);
    this.key = Objects.requireNonNull(key);
    this.links = Set.copyOf(links);
    this.related = Set.copyOf(related);
    this.part = part;
  }
}
