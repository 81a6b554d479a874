// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import io.scaleagent.clouddriver.protocol.AccountTransaction;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.RowChange;
import io.scaleagent.clouddriver.protocol.RowWriter;
import io.scaleagent.clouddriver.protocol.ScopeType;
import io.scaleagent.clouddriver.protocol.StoredScope;
import io.scaleagent.clouddriver.protocol.WriteOutcome;
import io.scaleagent.clouddriver.store.AccountEraser;
import io.scaleagent.clouddriver.store.Database;
import io.scaleagent.clouddriver.store.SqlTransaction;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.jooq.DSLContext;

/**
 * Writes agents' objects into Clouddriver's cache as stock polling would leave them. The index of
 * an account is read from the database at the first write of an epoch and kept in memory from then
 * on; it is thrown away whenever a transaction fails.
 */
public final class CatsRowWriter implements RowWriter, AccountEraser {
  private final Database database;
  private final CatsTables tables;
  private final Bodies bodies;
  private final ConverterSource converters;
  private final Map<String, ObjectConverter> ready = new ConcurrentHashMap<>();
  private final Map<String, Held> indexes = new ConcurrentHashMap<>();

  /** The index of an account in one epoch. */
  private static final class Held {
    final long epoch;
    final LinkIndex index;

    /** For others to read: rows of objects by type, as of the last write. */
    volatile Map<String, Integer> counts = Map.of();

    Held(long epoch, LinkIndex index) {
      this.epoch = epoch;
      this.index = index;
    }
  }

  /**
   * @param mapper Clouddriver's own, which its cache reads with
   * @throws IllegalStateException if Clouddriver's cache is not in the known layout, or not in SQL
   */
  public CatsRowWriter(
      Database database, CatsTables tables, ObjectMapper mapper, ConverterSource converters) {
    this.database = Objects.requireNonNull(database);
    this.tables = Objects.requireNonNull(tables);
    this.bodies = new Bodies(mapper);
    this.converters = Objects.requireNonNull(converters);
    tables.check(database);
    tables.make(database, List.of(Ids.APPLICATIONS, Ids.CLUSTERS));
  }

  /**
   * The value of the column agent, before it is shortened, in rows of an account of agents. It is
   * what the caching agent that stands for the account in Clouddriver calls itself.
   */
  public static String agentType(String account) {
    return account + "/ManagedCachingAgent[1/1]";
  }

  private String agent(String account) {
    return tables.names().agent(agentType(account));
  }

  @Override
  public String settings(String account, AccountProperties properties) {
    return converters.settings(account, properties);
  }

  @Override
  public void prepare(String account, Collection<ScopeType> scopes) {
    ObjectConverter converter = converters.converter(account);
    Set<String> types = new TreeSet<>();
    scopes.forEach(scope -> types.add(converter.type(scope)));
    tables.make(database, types);
    ready.put(account, converter);
  }

  @Override
  public List<WriteOutcome> write(AccountTransaction transaction, List<RowChange> changes) {
    SqlTransaction tx = transaction.unwrap(SqlTransaction.class);
    RowBatch batch = batch(tx);
    List<WriteOutcome> outcomes = new ArrayList<>(changes.size());
    changes.forEach(change -> outcomes.add(batch.take(change)));
    flush(batch, tx);
    return outcomes;
  }

  private void flush(RowBatch batch, SqlTransaction tx) {
    batch.flush();
    Held held = held(tx);
    held.counts = held.index.counts();
  }

  @Override
  public void dropScopes(AccountTransaction transaction, Collection<StoredScope> scopes) {
    SqlTransaction tx = transaction.unwrap(SqlTransaction.class);
    RowBatch batch = batch(tx);
    scopes.forEach(scope -> batch.drop(scope.id()));
    flush(batch, tx);
  }

  /**
   * How many rows the account should have, by type, as far as that is known; empty before the first
   * write of an epoch.
   */
  Map<String, Integer> expected(String account) {
    Held held = indexes.get(account);
    return held == null ? Map.of() : held.counts;
  }

  /** Looks through all rows of the transaction's account and mends what others did to them. */
  RowRepair repair(SqlTransaction tx) {
    Held held = held(tx);
    RowRepair repair = new RowRepair(tx, tables, bodies, held.index, agent(tx.lease().account()));
    repair.run();
    held.counts = held.index.counts();
    return repair;
  }

  private RowBatch batch(SqlTransaction tx) {
    String account = tx.lease().account();
    return new RowBatch(
        tx, tables, bodies, converter(account), held(tx).index, account, agent(account));
  }

  private ObjectConverter converter(String account) {
    return ready.computeIfAbsent(account, converters::converter);
  }

  /** The account's index, read now if it is not there. */
  private Held held(SqlTransaction tx) {
    Lease lease = tx.lease();
    String account = lease.account();
    Held held = indexes.get(account);
    if (held == null || held.epoch != lease.epoch()) {
      held = new Held(lease.epoch(), LinkRows.read(tx, converter(account).stickyTypes()));
      indexes.put(account, held);
    }
    Held used = held;
    tx.ifLost(() -> indexes.remove(account, used));
    return held;
  }

  @Override
  public void forget(Lease lease) {
    indexes.computeIfPresent(
        lease.account(), (a, held) -> held.epoch <= lease.epoch() ? null : held);
  }

  @Override
  public void forget(String account) {
    indexes.remove(account);
    ready.remove(account);
  }

  @Override
  public void erase(DSLContext tx, String account) {
    for (String table : tables.all(tx, database.sql())) {
      tx.execute("delete from " + table + " where agent = ?", agent(account));
    }
  }
}
