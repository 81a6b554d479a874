// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.cache;

import io.scaleagent.clouddriver.protocol.FencedException;
import io.scaleagent.clouddriver.protocol.Lease;
import io.scaleagent.clouddriver.protocol.StoreUnavailableException;
import io.scaleagent.clouddriver.store.Database;
import io.scaleagent.clouddriver.store.SqlAccountStore;
import io.scaleagent.clouddriver.store.SqlTransaction;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks after the rows of the accounts that are kept here: evicts what stock polling has left of
 * them, and mends what others have deleted. One thread; what it costs while nothing is wrong is a
 * query for each type, twice a minute, for all accounts together.
 */
public final class CacheKeeper implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(CacheKeeper.class);
  private static final long PERIOD_SECONDS = 30;
  private static final long PERIOD = TimeUnit.SECONDS.toNanos(PERIOD_SECONDS);
  private static final long GIVE_UP_WAITING = TimeUnit.MINUTES.toNanos(10);
  private static final long LOOK_AGAIN = TimeUnit.MINUTES.toNanos(30);

  private final Database database;
  private final SqlAccountStore store;
  private final CatsTables tables;
  private final CatsRowWriter writer;
  private final StockRows stock;
  private final BiConsumer<String, String> reopen;
  private final Map<String, Seen> seen = new HashMap<>();
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          r -> {
            Thread t = new Thread(r, "scale-agent-cache-keeper");
            t.setDaemon(true);
            return t;
          });

  /** An account as this class has found it. */
  private static final class Seen {
    final long since = System.nanoTime();
    Long evicted;
    long rest = LOOK_AGAIN;
    long repaired = System.nanoTime();

    /** What was wrong with the numbers at the last look, and at the last repair. */
    String odd = "";

    String settled = "";
  }

  /**
   * @param evict whether rows of stock polling are to go (not kubesvc.v2-cache-eviction.disable)
   * @param batch kubesvc.v2-cache-eviction.batch-size
   * @param pauseMillis kubesvc.v2-cache-eviction.millis
   * @param reopen is given accounts that are to be compared anew, and why
   */
  public CacheKeeper(
      Database database,
      SqlAccountStore store,
      CatsTables tables,
      CatsRowWriter writer,
      boolean evict,
      int batch,
      long pauseMillis,
      BiConsumer<String, String> reopen) {
    this.database = Objects.requireNonNull(database);
    this.store = Objects.requireNonNull(store);
    this.tables = Objects.requireNonNull(tables);
    this.writer = Objects.requireNonNull(writer);
    this.stock = evict ? new StockRows(database, tables, batch, pauseMillis) : null;
    this.reopen = Objects.requireNonNull(reopen);
  }

  public void start() {
    thread.scheduleWithFixedDelay(this::step, PERIOD_SECONDS, PERIOD_SECONDS, TimeUnit.SECONDS);
  }

  /** Once; what fails is said, and tried again the next time. */
  void step() {
    try {
      List<Lease> leases = store.held();
      seen.keySet().removeIf(a -> leases.stream().noneMatch(l -> l.account().equals(a)));
      Map<String, Map<String, Integer>> found = tables.counts(database, leases);
      for (Lease lease : leases) {
        look(lease, found.getOrDefault(lease.account(), Map.of()));
      }
    } catch (StoreUnavailableException e) {
      log.warn("The cache is not looked after at present: {}", e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      log.error("The cache could not be looked after", e);
    }
  }

  private void look(Lease lease, Map<String, Integer> found) throws InterruptedException {
    Seen account = seen.computeIfAbsent(lease.account(), a -> new Seen());
    if (stock != null && due(account) && (complete(lease) || waitedLong(account))) {
      int evicted = stock.evict(lease.account());
      account.evicted = System.nanoTime();
      account.rest = rest(account.rest, evicted);
      if (evicted > 0) {
        log.info("Account {}: {} rows of stock polling are evicted", lease.account(), evicted);
      }
    }
    // What is written at this moment may be in one number and not in the other; not twice. What a
    // repair does not mend it need not try again soon: MySQL takes names for the same that differ
    // in
    // case only, and has one row for both.
    String odd = oddity(lease, found);
    boolean lasting = !odd.isEmpty() && odd.equals(account.odd) && !odd.equals(account.settled);
    account.odd = odd;
    account.settled = odd.isEmpty() ? "" : account.settled;
    if (lasting || System.nanoTime() - account.repaired > LOOK_AGAIN) {
      account.settled = odd;
      account.repaired = System.nanoTime();
      repair(lease);
    }
  }

  private static boolean due(Seen account) {
    return account.evicted == null || System.nanoTime() - account.evicted >= account.rest;
  }

  /**
   * How long until stock rows are looked for again. A poll that was under way when the account came
   * here writes its rows when it ends, however long it takes: where there were some, more may come.
   */
  private static long rest(long before, int evicted) {
    return evicted > 0 ? 0 : Math.min(LOOK_AGAIN, Math.max(PERIOD, 2 * before));
  }

  private static boolean waitedLong(Seen account) {
    return System.nanoTime() - account.since > GIVE_UP_WAITING;
  }

  /** Whether all of the account is there: each scope had a checkpoint at some time. */
  private boolean complete(Lease lease) {
    return database.run(
        "looking whether account " + lease.account() + " is complete",
        d ->
            d.fetchOne(
                        "select count(*) from scale_agent_scope where account = ?"
                            + " and checkpoint = ''",
                        lease.account())
                    .get(0, Long.class)
                == 0);
  }

  /** Types of which there are less or more rows than there should be, with how many; "" if none. */
  private String oddity(Lease lease, Map<String, Integer> found) {
    StringBuilder odd = new StringBuilder();
    new TreeMap<>(writer.expected(lease.account()))
        .forEach(
            (type, expected) -> {
              int surplus = found.getOrDefault(type, 0) - expected;
              if (surplus != 0) {
                odd.append(type).append(' ').append(surplus).append(' ');
              }
            });
    return odd.toString();
  }

  private void repair(Lease lease) {
    try {
      RowRepair done = store.transact(lease, tx -> writer.repair(tx.unwrap(SqlTransaction.class)));
      if (done.written() + done.wanted() + done.deleted() > 0) {
        log.warn(
            "Account {}: somebody has changed the cache: {} applications and clusters are written"
                + " again, {} rows of objects come again, {} rows are deleted",
            lease.account(),
            done.written(),
            done.wanted(),
            done.deleted());
      }
      if (done.wanted() > 0) {
        reopen.accept(lease.account(), "rows are missing in Clouddriver's cache");
      }
    } catch (FencedException e) {
      log.debug("{} ended while it was looked after", lease);
    }
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
