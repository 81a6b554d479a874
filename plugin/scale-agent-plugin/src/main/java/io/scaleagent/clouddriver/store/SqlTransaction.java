// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.store;

import io.scaleagent.clouddriver.protocol.AccountTransaction;
import io.scaleagent.clouddriver.protocol.Digest;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.ObjectKey;
import io.scaleagent.clouddriver.protocol.ScopeName;
import io.scaleagent.clouddriver.protocol.ScopeTotals;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.protocol.StoredDigest;
import io.scaleagent.clouddriver.protocol.StoredScope;
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.Record;

/**
 * One commit of an account's rows. The account's lock is held and the lease was good at its start.
 */
public final class SqlTransaction implements AccountTransaction {
  private static final List<String> DIGEST_KEYS = List.of("scope", "key_hash");
  private static final List<String> DIGEST_VALUES =
      List.of("namespace", "name", "digest", "settings", "outcome");
  private static final int LOOKUP = 500;

  private final DSLContext tx;
  private final Sql sql;
  private final Lease lease;
  private final ScopeTable scopes;
  private final Numbers numbers;
  private final List<Runnable> undo = new ArrayList<>();
  private final List<Changed> changed = new ArrayList<>();

  /** Digests of one scope that are not written yet. */
  private static final class Changed {
    final long scope;
    final Map<ObjectKey, StoredDigest> puts;
    final Set<ObjectKey> deletes;

    Changed(long scope, Map<ObjectKey, StoredDigest> puts, Set<ObjectKey> deletes) {
      this.scope = scope;
      this.puts = puts;
      this.deletes = deletes;
    }
  }

  /** A digest that is asked for. */
  private static final class Wanted {
    final Long scope;
    final ObjectKey key;

    Wanted(Long scope, ObjectKey key) {
      this.scope = scope;
      this.key = key;
    }
  }

  SqlTransaction(DSLContext tx, Sql sql, Lease lease, ScopeTable scopes, Numbers numbers) {
    this.tx = Objects.requireNonNull(tx);
    this.sql = Objects.requireNonNull(sql);
    this.lease = Objects.requireNonNull(lease);
    this.scopes = Objects.requireNonNull(scopes);
    this.numbers = Objects.requireNonNull(numbers);
  }

  /** For statements within the transaction. */
  public DSLContext dsl() {
    return tx;
  }

  public Sql sql() {
    return sql;
  }

  /** What is to be done if the transaction is not committed, or nobody knows whether it was. */
  public void ifLost(Runnable action) {
    undo.add(action);
  }

  /** The store's id of a scope; null if the account has no such scope. */
  public Long scopeId(ScopeName name) {
    return scopes.id(name);
  }

  /**
   * Marks objects as stale, so that they are wanted again when the account is opened.
   *
   * @return how many of them were stored and not stale
   */
  public int wantAgain(long scope, Collection<ObjectKey> keys) {
    writeDigests();
    int marked = 0;
    for (List<ObjectKey> part : Parts.of(keys, LOOKUP)) {
      List<Object> values = new ArrayList<>();
      values.add(scope);
      part.forEach(key -> values.add(Keys.hash(key)));
      marked +=
          tx.execute(
              "update scale_agent_digest set settings = '' where settings <> '' and scope = ?"
                  + " and key_hash in ("
                  + Sql.marks(part.size())
                  + ")",
              values.toArray());
    }
    if (marked > 0) {
      scopes.addStale(scope, marked);
    }
    return marked;
  }

  void lost() {
    undo.forEach(Runnable::run);
  }

  @Override
  public Lease lease() {
    return lease;
  }

  @Override
  public Map<ScopeName, Long> scopes(Collection<ScopeType> types) {
    writeDigests();
    Set<ScopeName> names = types.stream().map(ScopeType::name).collect(Collectors.toSet());
    scopes.delete(
        tx, scopesOutside(names).stream().map(StoredScope::id).collect(Collectors.toList()));
    Map<ScopeName, Long> ids = new HashMap<>();
    for (ScopeType type : types) {
      Long known = scopes.id(type.name());
      ids.put(type.name(), scopes.put(type, known == null ? numbers.reserved() : known));
    }
    return ids;
  }

  @Override
  public Collection<StoredScope> scopesOutside(Set<ScopeName> names) {
    return scopes.stored(0).stream()
        .filter(s -> !names.contains(s.type().name()))
        .collect(Collectors.toList());
  }

  @Override
  public ScopeTotals totals(long scope) {
    return scopes.totals(scope);
  }

  @Override
  public Map<Long, Map<ObjectKey, StoredDigest>> digests(Map<Long, Set<ObjectKey>> keys) {
    writeDigests();
    Map<Long, Map<ObjectKey, StoredDigest>> found = new HashMap<>();
    List<Wanted> wanted = new ArrayList<>();
    keys.forEach(
        (scope, names) -> {
          found.put(scope, new HashMap<>());
          names.forEach(key -> wanted.add(new Wanted(scope, key)));
        });
    for (List<Wanted> part : Parts.of(wanted, LOOKUP)) {
      look(part, found);
    }
    return found;
  }

  private void look(List<Wanted> part, Map<Long, Map<ObjectKey, StoredDigest>> found) {
    Map<Long, Map<ByteBuffer, ObjectKey>> byScope = new LinkedHashMap<>();
    for (Wanted w : part) {
      byScope
          .computeIfAbsent(w.scope, s -> new HashMap<>())
          .put(ByteBuffer.wrap(Keys.hash(w.key)), w.key);
    }
    List<Object> values = new ArrayList<>();
    List<String> where = new ArrayList<>();
    byScope.forEach(
        (scope, hashes) -> {
          where.add("(scope = ? and key_hash in (" + Sql.marks(hashes.size()) + "))");
          values.add(scope);
          hashes.keySet().forEach(h -> values.add(h.array()));
        });
    for (Record r :
        tx.fetch(
            "select scope, key_hash, digest, settings, outcome from scale_agent_digest where "
                + String.join(" or ", where),
            values.toArray())) {
      Long scope = r.get(0, Long.class);
      found
          .get(scope)
          .put(
              byScope.get(scope).get(ByteBuffer.wrap(r.get(1, byte[].class))),
              new StoredDigest(
                  Digest.of(r.get(2, byte[].class)),
                  r.get(3, String.class),
                  WriteOutcome.values()[r.get(4, Integer.class)]));
    }
  }

  @Override
  public void forEachKey(long scope, Consumer<ObjectKey> consumer) {
    writeDigests();
    for (Record r :
        tx.fetch("select namespace, name from scale_agent_digest where scope = ?", scope)) {
      consumer.accept(
          new ObjectKey(
              new String(r.get(0, byte[].class), StandardCharsets.UTF_8),
              new String(r.get(1, byte[].class), StandardCharsets.UTF_8)));
    }
  }

  @Override
  public void update(
      long scope, Map<ObjectKey, StoredDigest> puts, Set<ObjectKey> deletes, ScopeTotals totals) {
    if (changed.stream().anyMatch(c -> c.scope == scope)) {
      writeDigests();
    }
    changed.add(new Changed(scope, Map.copyOf(puts), Set.copyOf(deletes)));
    scopes.totals(scope, totals);
  }

  /** Writes what {@link #update} was given, of all scopes at once. */
  void writeDigests() {
    List<Object[]> rows = new ArrayList<>();
    for (Changed c : changed) {
      delete(c.scope, c.deletes);
      c.puts.forEach((key, digest) -> rows.add(row(c.scope, key, digest)));
    }
    changed.clear();
    for (List<Object[]> part : Parts.of(rows, Sql.STATEMENT_ROWS)) {
      List<Object> values = new ArrayList<>();
      part.forEach(row -> values.addAll(Arrays.asList(row)));
      tx.execute(
          sql.upsert("scale_agent_digest", DIGEST_KEYS, DIGEST_VALUES, part.size()),
          values.toArray());
    }
  }

  private void delete(long scope, Set<ObjectKey> keys) {
    for (List<ObjectKey> part : Parts.of(keys, LOOKUP)) {
      List<Object> values = new ArrayList<>();
      values.add(scope);
      part.stream().map(Keys::hash).sorted(Arrays::compareUnsigned).forEach(values::add);
      tx.execute(
          "delete from scale_agent_digest where scope = ? and key_hash in ("
              + Sql.marks(part.size())
              + ")",
          values.toArray());
    }
  }

  private static Object[] row(long scope, ObjectKey key, StoredDigest digest) {
    return new Object[] {
      scope,
      Keys.hash(key),
      key.namespace().getBytes(StandardCharsets.UTF_8),
      key.name().getBytes(StandardCharsets.UTF_8),
      digest.digest().bytes(),
      digest.settings(),
      digest.outcome().ordinal()
    };
  }

  @Override
  public void checkpoint(long scope, String resourceVersion, byte[] fingerprint) {
    scopes.checkpoint(scope, resourceVersion, fingerprint);
  }

  @Override
  public <T> T unwrap(Class<T> type) {
    if (type.isInstance(this)) {
      return type.cast(this);
    }
    if (type.isInstance(tx)) {
      return type.cast(tx);
    }
    throw new IllegalArgumentException("a transaction of the SQL store is no " + type.getName());
  }
}
