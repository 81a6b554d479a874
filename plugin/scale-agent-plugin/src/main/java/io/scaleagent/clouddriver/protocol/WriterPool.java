// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Threads that wait for the database. Unlike a plain executor it makes threads up to the most as
 * soon as all are busy, and only then lets work wait; it never refuses any until it is shut down.
 */
final class WriterPool extends ThreadPoolExecutor {
  private final AtomicInteger submitted = new AtomicInteger();

  private static final class Queue extends LinkedBlockingQueue<Runnable> {
    private transient WriterPool pool;

    /** Refusing makes the executor start a thread. */
    @Override
    public boolean offer(Runnable task) {
      boolean someoneIsFree = pool.submitted.get() <= pool.getPoolSize();
      return (someoneIsFree || pool.getPoolSize() >= pool.getMaximumPoolSize())
          && super.offer(task);
    }

    void force(Runnable task) {
      super.offer(task);
    }
  }

  WriterPool(int core, int max) {
    super(core, max, 60, TimeUnit.SECONDS, new Queue(), Threads.named("scale-agent-writer"));
    ((Queue) getQueue()).pool = this;
    setRejectedExecutionHandler(
        (task, pool) -> {
          if (pool.isShutdown()) {
            submitted.decrementAndGet();
            throw new RejectedExecutionException("the writers have ended");
          }
          ((Queue) pool.getQueue()).force(task); // others were quicker to use up the threads
        });
  }

  @Override
  public void execute(Runnable task) {
    submitted.incrementAndGet();
    super.execute(task);
  }

  @Override
  protected void afterExecute(Runnable task, Throwable thrown) {
    submitted.decrementAndGet();
  }
}
