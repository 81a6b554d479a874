// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import io.scaleagent.clouddriver.protocol.StoreUnavailableException;
import io.scaleagent.clouddriver.protocol.Threads;
import io.scaleagent.clouddriver.store.Database;
import java.time.Duration;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jooq.Query;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.scheduling.support.CronExpression;

/**
 * The table kubesvc_ops_history: operations that changed something, or may have. They are written
 * in batches, half a second later, so nobody waits for it; while the database is away the last of
 * them are kept, and it is said how many were left out.
 */
public final class OperationHistory implements OperationRecord.Listener, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(OperationHistory.class);
  private static final int MOST_WAITING = 10_000;
  private static final int BATCH = 200;
  private static final long PERIOD_MILLIS = 500;
  private static final String INSERT =
      "insert into kubesvc_ops_history (id, account, user_name, operation, verb, kind, namespace, name,"
          + " result, message, uid, resource_version, clouddriver, ended_at, duration_ms, server_ms)"
          + " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

  private final Database database;
  private final String clouddriver;
  private final Duration kept;
  private final CronExpression purge;
  private final BlockingQueue<OperationRecord> waiting = new ArrayBlockingQueue<>(MOST_WAITING);
  private final AtomicLong leftOut = new AtomicLong();
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(Threads.named("scale-agent-history"));
  private List<OperationRecord> unwritten = List.of();
  private boolean failing;
  private LocalDateTime nextPurge;

  /**
   * @param clouddriver name of this one
   * @param kept how old a row may become
   * @param purge when older ones are deleted, by Clouddriver's time zone
   * @throws IllegalArgumentException if it is no cron expression as Spring has them
   */
  public OperationHistory(Database database, String clouddriver, Duration kept, String purge) {
    this.database = database;
    this.clouddriver = clouddriver;
    this.kept = kept;
    this.purge = CronExpression.parse(purge);
  }

  public void start() {
    nextPurge = purge.next(LocalDateTime.now());
    thread.scheduleWithFixedDelay(this::step, PERIOD_MILLIS, PERIOD_MILLIS, TimeUnit.MILLISECONDS);
  }

  @Override
  public void ended(OperationRecord record) {
    if (record.changes() && !waiting.offer(record)) {
      leftOut.incrementAndGet();
    }
  }

  private void step() {
    try {
      write();
      if (nextPurge != null && !LocalDateTime.now().isBefore(nextPurge)) {
        nextPurge = purge.next(LocalDateTime.now());
        int gone = purge();
        log.info("{} operations older than {} days left the history", gone, kept.toDays());
      }
    } catch (RuntimeException e) {
      if (!failing) {
        log.warn("The history of operations can't be written, it is tried again", e);
      }
      failing = true;
    }
  }

  /** Writes what waits. */
  synchronized void write() {
    while (!unwritten.isEmpty() || !waiting.isEmpty()) {
      if (unwritten.isEmpty()) {
        List<OperationRecord> batch = new ArrayList<>();
        waiting.drainTo(batch, BATCH);
        unwritten = batch;
      }
      insert(unwritten);
      unwritten = List.of();
      failing = false;
    }
    long missed = leftOut.getAndSet(0);
    if (missed > 0) {
      log.warn("{} operations are not in the history: the database was away too long", missed);
    }
  }

  private void insert(List<OperationRecord> batch) {
    long now = database.now();
    database.transact(
        "writing the history of operations",
        tx -> {
          List<Query> queries = new ArrayList<>();
          for (OperationRecord r : batch) {
            queries.add(
                tx.query(
                    INSERT,
                    r.id(),
                    cut(r.account()),
                    cut(r.user()),
                    cut(r.name()),
                    r.verb(),
                    cut(r.kind()),
                    cut(r.namespace()),
                    cut(r.objectName()),
                    r.result(),
                    r.message(),
                    cut(r.uid()),
                    cut(r.resourceVersion()),
                    cut(clouddriver),
                    now,
                    r.millis(),
                    r.serverMillis()));
          }
          return tx.batch(queries).execute();
        });
  }

  private static String cut(String text) {
    return text.length() > 255 ? text.substring(0, 255) : text;
  }

  /**
   * Deletes what is too old, a part at a time.
   *
   * @return how many
   * @throws StoreUnavailableException if the database can't
   */
  int purge() {
    long before = database.now() - kept.toMillis();
    int gone = 0;
    while (true) {
      List<String> ids =
          database.run(
              "reading the history of operations",
              d ->
                  d.fetch(
                          "select id from kubesvc_ops_history where ended_at < ? limit 1000",
                          before)
                      .map(r -> r.get(0, String.class)));
      if (ids.isEmpty()) {
        return gone;
      }
      String marks = String.join(", ", Collections.nCopies(ids.size(), "?"));
      gone +=
          database.run(
              "purging the history of operations",
              d ->
                  d.execute(
                      "delete from kubesvc_ops_history where id in (" + marks + ")",
                      ids.toArray()));
    }
  }

  /** Writes what is left. */
  @Override
  public void close() {
    thread.shutdownNow();
    try {
      write();
    } catch (RuntimeException e) {
      log.warn("{} operations are not in the history", waiting.size() + unwritten.size(), e);
    }
  }
}
