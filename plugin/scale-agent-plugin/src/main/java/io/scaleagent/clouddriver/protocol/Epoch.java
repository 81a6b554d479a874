// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.AccountMessage;
import io.scaleagent.proto.v1.Checkpoint;
import io.scaleagent.proto.v1.Delta;
import io.scaleagent.proto.v1.Deltas;
import io.scaleagent.proto.v1.Scope;
import io.scaleagent.proto.v1.Scopes;
import io.scaleagent.proto.v1.SnapshotBegin;
import io.scaleagent.proto.v1.SnapshotEnd;
import io.scaleagent.proto.v1.SnapshotEntry;
import io.scaleagent.proto.v1.SnapshotPage;
import io.scaleagent.proto.v1.Sums;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * An account's epoch as messages come in: order, sequence, credit, numbers of scopes and snapshots,
 * objects in parts. It makes steps of what is right and throws a {@link Violation} for what is not.
 * Guarded by its account's lock.
 */
final class Epoch {
  private final long number;
  private long sequence;
  private long used;
  private long granted;
  private Map<Integer, ScopeType> scopes; // null until Scopes came
  private final List<Scope> listing = new ArrayList<>(); // parts of Scopes, until the last has come
  private final Map<Integer, Integer> highestSnapshot = new HashMap<>();
  private final Map<Integer, OpenSnapshot> snapshots = new HashMap<>();
  private Part part;

  private static final class OpenSnapshot {
    final int number;
    int pages;

    OpenSnapshot(int number) {
      this.number = number;
    }
  }

  /** An object of which not all has come. */
  private static final class Part {
    final Delta first;
    final long before; // the sequence before it
    ByteString object = ByteString.EMPTY;

    Part(Delta first, long before) {
      this.first = first;
      this.before = before;
    }
  }

  Epoch(long number, long credit) {
    this.number = number;
    this.granted = credit;
  }

  long number() {
    return number;
  }

  /** Bytes that were sent on credit so far. */
  long used() {
    return used;
  }

  /** Bytes that may be sent in all. Never less than it was. */
  long grant(long credit) {
    granted = Math.max(granted, credit);
    return granted;
  }

  /**
   * @param size bytes of the message as it came
   * @return null if it is part of something that is not yet whole
   * @throws Violation and then nothing of it is done
   */
  Step receive(AccountMessage m, int size) {
    Violation.require(
        size <= Limits.MESSAGE_BYTES,
        "a message of %d bytes, at most %d may be",
        size,
        Limits.MESSAGE_BYTES);
    if (m.hasDeltas() || m.hasPage()) {
      used += size;
      Violation.require(used <= granted, "%d bytes were sent where %d were granted", used, granted);
    }
    Violation.require(scopes != null || m.hasScopes(), "%s came before Scopes", m.getBodyCase());
    Violation.require(
        listing.isEmpty() || m.hasScopes(), "%s came amid the list of scopes", m.getBodyCase());
    switch (m.getBodyCase()) {
      case SCOPES:
        return scopes(m.getScopes());
      case SUMS:
        return sums(m.getSums());
      case BEGIN:
        return begin(m.getBegin());
      case PAGE:
        return page(m.getPage(), size);
      case END:
        return end(m.getEnd());
      case DELTAS:
        return deltas(m.getDeltas(), size);
      case CHECKPOINT:
        return checkpoint(m.getCheckpoint());
      default:
        throw new Violation(m.getBodyCase() + " is not for here");
    }
  }

  private ScopeType scope(int id) {
    ScopeType type = scopes.get(id);
    Violation.require(type != null, "scope %d was not named", id);
    return type;
  }

  private Step scopes(Scopes m) {
    Violation.require(
        m.getScopesCount() > 0 || !m.getMore(), "a part of the list of scopes is empty");
    Violation.require(
        listing.size() + m.getScopesCount() <= Limits.SCOPES,
        "more than %d scopes are named",
        Limits.SCOPES);
    listing.addAll(m.getScopesList());
    if (m.getMore()) {
      return null;
    }
    List<Scope> whole = new ArrayList<>(listing);
    listing.clear();
    return scopes(whole);
  }

  private Step scopes(List<Scope> whole) {
    Map<Integer, ScopeType> now = new HashMap<>();
    Set<ScopeName> names = new HashSet<>();
    List<Step.NamedScope> list = new ArrayList<>();
    for (Scope s : whole) {
      ScopeName name =
          new ScopeName(
              s.getName().getGroup(), s.getName().getResource(), s.getName().getNamespace());
      Violation.require(
          s.getId() != 0
              && !name.resource().isEmpty()
              && !s.getKind().isEmpty()
              && !s.getVersion().isEmpty(),
          "scope %s lacks its number, resource, kind or version",
          name);
      ScopeType type = new ScopeType(name, s.getVersion(), s.getKind(), s.getNamespaced());
      Violation.require(
          now.put(s.getId(), type) == null && names.add(name), "scope %s is named twice", name);
      ScopeType before = scopes == null ? null : scopes.get(s.getId());
      Violation.require(
          before == null || before.name().equals(name),
          "scope %d was %s and is %s",
          s.getId(),
          before,
          name);
      list.add(new Step.NamedScope(s.getId(), type));
    }
    scopes = now;
    snapshots.keySet().retainAll(now.keySet());
    if (part != null && !now.containsKey(part.first.getScope())) {
      part = null; // the object went with its scope
    }
    return new Step.Scopes(list);
  }

  private Step sums(Sums m) {
    scope(m.getScope());
    return new Step.Sums(m.getScope(), m.getCount(), digest(m.getSum(), "a sum"));
  }

  private Step begin(SnapshotBegin m) {
    scope(m.getScope());
    int before = highestSnapshot.getOrDefault(m.getScope(), 0);
    Violation.require(
        Integer.compareUnsigned(m.getSnapshot(), before) > 0,
        "snapshot %d after %d",
        m.getSnapshot(),
        before);
    highestSnapshot.put(m.getScope(), m.getSnapshot());
    snapshots.put(m.getScope(), new OpenSnapshot(m.getSnapshot()));
    return new Step.Begin(m.getScope(), m.getSnapshot());
  }

  private OpenSnapshot snapshot(int scope, int snapshot) {
    scope(scope);
    OpenSnapshot open = snapshots.get(scope);
    Violation.require(
        open != null && open.number == snapshot,
        "snapshot %d of scope %d did not begin",
        snapshot,
        scope);
    return open;
  }

  private Step page(SnapshotPage m, int size) {
    OpenSnapshot open = snapshot(m.getScope(), m.getSnapshot());
    Violation.require(
        m.getPage() == open.pages, "page %d came where %d was next", m.getPage(), open.pages);
    for (SnapshotEntry e : m.getEntriesList()) {
      Violation.require(!e.getName().isEmpty(), "an entry of a page has no name");
      if (!e.getDigest().isEmpty()) {
        digest(e.getDigest(), "a digest");
      }
    }
    open.pages++;
    return new Step.Page(m.getScope(), m.getSnapshot(), m.getPage(), m.getEntriesList(), size);
  }

  private Step end(SnapshotEnd m) {
    OpenSnapshot open = snapshot(m.getScope(), m.getSnapshot());
    Violation.require(
        m.getPages() == open.pages, "%d pages were sent, %d came", m.getPages(), open.pages);
    snapshots.remove(m.getScope());
    return new Step.End(m.getScope(), m.getSnapshot());
  }

  private Step deltas(Deltas m, int size) {
    Violation.require(
        m.getFirstSequence() == sequence + 1,
        "deltas begin at %d, after %d",
        m.getFirstSequence(),
        sequence);
    Violation.require(m.getDeltasCount() > 0, "no delta is in it");
    List<Step.Change> changes = new ArrayList<>(m.getDeltasCount());
    for (Delta d : m.getDeltasList()) {
      sequence++;
      Step.Change change = delta(d);
      if (change != null) {
        changes.add(change);
      }
    }
    long acknowledge = part == null ? sequence : part.before;
    return new Step.Deltas(changes, acknowledge, m.getObservedUs(), size);
  }

  /** The change that the delta completes, or null. */
  private Step.Change delta(Delta d) {
    ScopeName scope = scope(d.getScope()).name();
    ObjectKey key = new ObjectKey(d.getNamespace(), d.getName());
    Violation.require(!d.getName().isEmpty(), "a delta has no name");
    Violation.require(
        scope.namespace().isEmpty() || scope.namespace().equals(d.getNamespace()),
        "%s is not of %s",
        key,
        scope);
    if (d.getDeleted()) {
      Violation.require(part == null, "a delete came between the parts of an object");
      Violation.require(
          d.getObject().isEmpty() && d.getDigest().isEmpty(), "the delete of %s has a body", key);
      return new Step.Change(d.getScope(), key, null, null);
    }
    ByteString object = whole(d);
    if (object == null) {
      Violation.require(
          d.getDigest().isEmpty(), "a part of %s that is not the last has a digest", key);
      return null;
    }
    return new Step.Change(d.getScope(), key, digest(d.getDigest(), "a digest"), object);
  }

  /** The object, once all of its parts are there; null before. */
  private ByteString whole(Delta d) {
    if (d.getObjectSize() == 0) {
      Violation.require(part == null, "another delta came between the parts of an object");
      return d.getObject();
    }
    if (part == null) {
      Violation.require(
          Long.compareUnsigned(d.getObjectSize(), Limits.OBJECT_BYTES) <= 0,
          "%s/%s has %s bytes, at most %d may be",
          d.getNamespace(),
          d.getName(),
          Long.toUnsignedString(d.getObjectSize()),
          Limits.OBJECT_BYTES);
      part = new Part(d, sequence - 1);
    }
    Delta first = part.first;
    Violation.require(
        first.getScope() == d.getScope()
            && first.getName().equals(d.getName())
            && first.getNamespace().equals(d.getNamespace())
            && first.getObjectSize() == d.getObjectSize()
            && d.getObjectOffset() == part.object.size()
            && !d.getObject().isEmpty()
            && part.object.size() + (long) d.getObject().size() <= d.getObjectSize(),
        "a part of %s/%s does not fit to those before it",
        d.getNamespace(),
        d.getName());
    part.object = part.object.concat(d.getObject());
    if (part.object.size() < d.getObjectSize()) {
      return null;
    }
    ByteString object = part.object;
    part = null;
    return object;
  }

  /** One without a version takes the stored one back, and may come at any time. */
  private Step checkpoint(Checkpoint m) {
    scope(m.getScope());
    Violation.require(
        m.getFingerprint().size() <= Limits.FINGERPRINT_BYTES,
        "a fingerprint of %d bytes",
        m.getFingerprint().size());
    if (m.getResourceVersion().isEmpty()) {
      Violation.require(
          m.getFingerprint().isEmpty(), "a checkpoint that is taken back has a fingerprint");
    } else {
      Violation.require(!snapshots.containsKey(m.getScope()), "a checkpoint amid a snapshot");
      Violation.require(
          part == null || part.first.getScope() != m.getScope(), "a checkpoint amid an object");
    }
    return new Step.Checkpoint(
        m.getScope(), m.getResourceVersion(), m.getFingerprint().toByteArray());
  }

  private static Digest digest(ByteString bytes, String what) {
    Violation.require(bytes.size() == Digest.BYTES, "%s of %d bytes", what, bytes.size());
    return Digest.of(bytes.toByteArray());
  }
}
