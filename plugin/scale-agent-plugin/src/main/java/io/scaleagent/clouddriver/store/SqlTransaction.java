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
  public Map<ObjectKey, StoredDigest> digests(long scope, Collection<ObjectKey> keys) {
    Map<ByteBuffer, ObjectKey> byHash = new HashMap<>();
    for (ObjectKey key : keys) {
      byHash.put(ByteBuffer.wrap(Keys.hash(key)), key);
    }
    Map<ObjectKey, StoredDigest> found = new HashMap<>();
    for (List<ByteBuffer> part : Parts.of(new ArrayList<>(byHash.keySet()), LOOKUP)) {
      List<Object> values = new ArrayList<>();
      values.add(scope);
      part.forEach(h -> values.add(h.array()));
      for (Record r :
          tx.fetch(
              "select key_hash, digest, settings, outcome from scale_agent_digest"
                  + " where scope = ? and key_hash in ("
                  + Sql.marks(part.size())
                  + ")",
              values.toArray())) {
        found.put(
            byHash.get(ByteBuffer.wrap(r.get(0, byte[].class))),
            new StoredDigest(
                Digest.of(r.get(1, byte[].class)),
                r.get(2, String.class),
                WriteOutcome.values()[r.get(3, Integer.class)]));
      }
    }
    return found;
  }

  @Override
  public void forEachKey(long scope, Consumer<ObjectKey> consumer) {
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
    for (List<ObjectKey> part : Parts.of(deletes, LOOKUP)) {
      List<Object> values = new ArrayList<>();
      values.add(scope);
      part.stream().map(Keys::hash).sorted(Arrays::compareUnsigned).forEach(values::add);
      tx.execute(
          "delete from scale_agent_digest where scope = ? and key_hash in ("
              + Sql.marks(part.size())
              + ")",
          values.toArray());
    }
    for (List<Map.Entry<ObjectKey, StoredDigest>> part :
        Parts.of(puts.entrySet(), Sql.STATEMENT_ROWS)) {
      put(scope, part);
    }
    scopes.totals(scope, totals);
  }

  private void put(long scope, List<Map.Entry<ObjectKey, StoredDigest>> part) {
    List<Object> values = new ArrayList<>();
    for (Map.Entry<ObjectKey, StoredDigest> e : part) {
      values.add(scope);
      values.add(Keys.hash(e.getKey()));
      values.add(e.getKey().namespace().getBytes(StandardCharsets.UTF_8));
      values.add(e.getKey().name().getBytes(StandardCharsets.UTF_8));
      values.add(e.getValue().digest().bytes());
      values.add(e.getValue().settings());
      values.add(e.getValue().outcome().ordinal());
    }
    tx.execute(
        sql.upsert("scale_agent_digest", DIGEST_KEYS, DIGEST_VALUES, part.size()),
        values.toArray());
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
