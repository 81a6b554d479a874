// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Who names whom among the objects of an account: enough to say each row's relationships without
 * the objects. It collects which rows' relationships changed until {@link #takeTouched}. Used by
 * one thread at a time.
 *
 * <p>A row's relationships are what its object names, and whatever names it. Objects stand in
 * groups, as different agents of Clouddriver would have them: a row of one group does not list what
 * names it in another, and applications and clusters exist for members in the group core only.
 */
final class LinkIndex {
  private final Collection<String> sticky;
  private final Map<String, Node> nodes = new HashMap<>();

  /** Ids of nodes by what they name. */
  private final Map<String, Set<String>> namedBy = new HashMap<>();

  /** Nodes with a part, by namespace. */
  private final Map<String, Set<String>> parts = new HashMap<>();

  /** How many rows there are of each type. */
  private final Map<String, Integer> counts = new TreeMap<>();

  /** How many nodes of the group core are in each application and cluster. */
  private final Map<String, Integer> members = new HashMap<>();

  private Set<String> touched = new TreeSet<>();
  private Set<String> touchedNamespaces = new TreeSet<>();

  LinkIndex(Collection<String> sticky) {
    this.sticky = Objects.requireNonNull(sticky);
  }

  Node get(String id) {
    return nodes.get(id);
  }

  Collection<Node> nodes() {
    return nodes.values();
  }

  /** How many rows there are, by type; 0 for a type of which there were some. */
  Map<String, Integer> counts() {
    return Map.copyOf(counts);
  }

  /** Logical ids that have a row. */
  Set<String> logicalRows() {
    return new TreeSet<>(members.keySet());
  }

  /** Puts a node in the place of the one that has its id. */
  void put(Node node) {
    Node old = nodes.put(node.id, node);
    if (old == null) {
      counts.merge(Ids.type(node.id), 1, Integer::sum);
    }
    Set<String> before = old == null ? Set.of() : named(old);
    Set<String> after = named(node);
    if (old != null) {
      join(old, -1);
    }
    join(node, 1);
    for (String target : before) {
      if (!after.contains(target)) {
        unlink(node.id, target);
      }
    }
    for (String target : after) {
      if (!before.contains(target)) {
        namedBy.computeIfAbsent(target, t -> new HashSet<>(4)).add(node.id);
      }
    }
    if (old != null && !old.group.equals(node.group)) {
      touched.addAll(before);
      touched.addAll(after);
    }
    if (old == null || !before.equals(after)) {
      touch(node.id, before, after);
    }
    updatePart(node.key.namespace(), node.id, old == null ? null : old.part, node.part);
  }

  /** Takes a node out. Does nothing if it is not there. */
  void remove(String id) {
    Node old = nodes.remove(id);
    if (old == null) {
      return;
    }
    counts.merge(Ids.type(id), -1, Integer::sum);
    join(old, -1);
    Set<String> before = named(old);
    before.forEach(target -> unlink(id, target));
    touch(id, before, Set.of());
    updatePart(old.key.namespace(), id, old.part, null);
  }

  /** A node belongs to other ones now. */
  void relate(Node node, Set<String> related) {
    if (!node.related.equals(related)) {
      Node next = new Node(node.id, node.group, node.key, node.links, related, node.part);
      next.scopes.addAll(node.scopes);
      put(next);
    }
  }

  /** Everything counts as unchanged. */
  void settled() {
    touched.clear();
    touchedNamespaces.clear();
  }

  /** Ids of rows, there or not, whose relationships may have changed since the last call. */
  Set<String> takeTouched() {
    Set<String> taken = touched;
    touched = new TreeSet<>();
    return taken;
  }

  /** Namespaces in which a part has changed since the last call. */
  Set<String> takeTouchedNamespaces() {
    Set<String> taken = touchedNamespaces;
    touchedNamespaces = new TreeSet<>();
    return taken;
  }

  /** Parts of a namespace, by id. */
  Map<String, Map<String, Object>> parts(String namespace) {
    Map<String, Map<String, Object>> all = new TreeMap<>();
    for (String id : parts.getOrDefault(namespace, Set.of())) {
      all.put(id, nodes.get(id).part);
    }
    return all;
  }

  /** Whether there is to be a row with that id. */
  boolean exists(String id) {
    return Ids.logical(id) ? members.containsKey(id) : nodes.containsKey(id);
  }

  /** The relationships of a row, by type, each sorted. */
  Map<String, Set<String>> relationships(String id) {
    Map<String, Set<String>> all = new TreeMap<>();
    sticky.forEach(type -> all.put(type, new TreeSet<>()));
    boolean logical = Ids.logical(id);
    Node node = nodes.get(id);
    if (node != null) {
      named(node).forEach(target -> add(all, target));
    }
    for (String source : namedBy.getOrDefault(id, Set.of())) {
      Node by = nodes.get(source);
      if (logical || (node != null && by.group.equals(node.group))) {
        add(all, source);
      }
      if (logical) {
        // An application and its clusters name each other, by way of what is in both.
        by.links.stream().filter(l -> kin(id, l)).forEach(l -> add(all, l));
      }
    }
    return all;
  }

  private static boolean kin(String id, String other) {
    return Ids.logical(other) && !Ids.type(id).equals(Ids.type(other));
  }

  private static void add(Map<String, Set<String>> all, String id) {
    all.computeIfAbsent(Ids.type(id), t -> new TreeSet<>()).add(id);
  }

  private static Set<String> named(Node node) {
    Set<String> all = new HashSet<>(node.links);
    all.addAll(node.related);
    return all;
  }

  /** A node comes into its applications and clusters, or leaves them. */
  private void join(Node node, int by) {
    if (!node.group.equals(ObjectConverter.CORE)) {
      return;
    }
    for (String id : node.links) {
      if (Ids.logical(id)) {
        int before = members.getOrDefault(id, 0);
        members.put(id, before + by);
        if (before + by == 0) {
          members.remove(id);
        }
        if (before == 0 || before + by == 0) {
          counts.merge(Ids.type(id), by, Integer::sum);
        }
      }
    }
  }

  private void unlink(String source, String target) {
    Set<String> by = namedBy.get(target);
    by.remove(source);
    if (by.isEmpty()) {
      namedBy.remove(target);
    }
  }

  /** The node itself and what only one of the two sets has. */
  private void touch(String id, Set<String> before, Set<String> after) {
    touched.add(id);
    boolean logical = false;
    Set<String> all = new HashSet<>(before);
    all.addAll(after);
    for (String target : all) {
      if (!before.contains(target) || !after.contains(target)) {
        touched.add(target);
        logical |= Ids.logical(target);
      }
    }
    if (logical) {
      all.stream().filter(Ids::logical).forEach(touched::add);
    }
  }

  private void updatePart(
      String namespace, String id, Map<String, Object> before, Map<String, Object> after) {
    if (Objects.equals(before, after)) {
      return;
    }
    touchedNamespaces.add(namespace);
    if (after != null) {
      parts.computeIfAbsent(namespace, n -> new HashSet<>()).add(id);
    } else {
      Set<String> left = parts.get(namespace);
      left.remove(id);
      if (left.isEmpty()) {
        parts.remove(namespace);
      }
    }
  }
}
