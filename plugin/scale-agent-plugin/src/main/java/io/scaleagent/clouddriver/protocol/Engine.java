// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import com.google.protobuf.ByteString;
import io.scaleagent.proto.v1.Goodbye;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationResult;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All streams of this Clouddriver, and what they share: the store, the writers, the clock. Made
 * once; {@link #close} ends every stream in order.
 */
public final class Engine implements AgentDirectory, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Engine.class);

  /** With the lease's time, how long an account is without a keeper when a Clouddriver vanishes. */
  private static final long TICK_MILLIS = 500;

  private final AccountStore store;
  private final RowWriter rows;
  private final AccountPolicy policy;
  private final ProtocolEvents events;
  private final Points points;
  private final EngineSettings settings;
  private final Transactions transactions;
  private final WriterPool writers;
  private final ScheduledThreadPoolExecutor timer =
      new ScheduledThreadPoolExecutor(1, Threads.named("scale-agent-timer"));
  private final ScheduledExecutorService lease =
      Executors.newSingleThreadScheduledExecutor(Threads.named("scale-agent-lease"));
  private final Set<AgentStream> streams = ConcurrentHashMap.newKeySet(); // that have not ended
  private final Map<String, AgentStream> agents = new ConcurrentHashMap<>(); // by id, the newest
  private final AtomicBoolean checking = new AtomicBoolean();
  private final AtomicInteger kept = new AtomicInteger();
  private final Map<ByteString, ByteString> lost = // operations, and the workers that had them
      Collections.synchronizedMap(
          new LinkedHashMap<>() {
            @Override
            protected boolean removeEldestEntry(Map.Entry<ByteString, ByteString> eldest) {
              return size() > Limits.LOST_OPERATIONS;
            }
          });
  private final AtomicLong resultBytes = new AtomicLong(); // of results that are not yet whole
  private boolean renewalFails; // of the lease's thread
  private volatile boolean checkFails;
  private volatile boolean closed;

  public Engine(
      AccountStore store,
      RowWriter rows,
      AccountPolicy policy,
      ProtocolEvents events,
      EngineSettings settings) {
    this(store, rows, policy, events, settings, Points.fromSystem());
  }

  Engine(
      AccountStore store,
      RowWriter rows,
      AccountPolicy policy,
      ProtocolEvents events,
      EngineSettings settings,
      Points points) {
    this.store = store;
    this.rows = rows;
    this.policy = policy;
    this.events = events;
    this.settings = settings;
    this.points = points;
    this.transactions = new Transactions(store, rows, events, points);
    this.writers = new WriterPool(settings.writersCore(), settings.writersMax());
    timer.setRemoveOnCancelPolicy(true); // most of what is timed does not come to it
  }

  /** Begins to keep leases and to look after streams. Before it, no stream may be opened. */
  public void start() {
    store.renew();
    long renew = Math.max(100, store.leaseMillis() / 4);
    lease.scheduleWithFixedDelay(this::renew, renew, renew, TimeUnit.MILLISECONDS);
    timer.scheduleWithFixedDelay(this::tick, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
  }

  /** A call of a client began; the caller passes on what comes. */
  public AgentStream open(Client client, StreamSink sink) {
    AgentStream stream = new AgentStream(this, client, sink);
    streams.add(stream);
    if (closed) {
      stream.goodbye(Goodbye.Code.SHUTDOWN, "this Clouddriver stops", 1000);
    }
    return stream;
  }

  // ---- what the streams share ----

  AccountStore store() {
    return store;
  }

  RowWriter rows() {
    return rows;
  }

  AccountPolicy policy() {
    return policy;
  }

  ProtocolEvents events() {
    return events;
  }

  Points points() {
    return points;
  }

  EngineSettings settings() {
    return settings;
  }

  Transactions transactions() {
    return transactions;
  }

  /** Runs what may wait for the database. */
  void execute(Runnable task) {
    try {
      writers.execute(task);
    } catch (RejectedExecutionException e) {
      log.debug("too late: {}", e.getMessage()); // the process ends
    }
  }

  /** Runs, after a while, what waits for nothing. */
  void after(long millis, Runnable task) {
    try {
      timer.schedule(task, millis, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      task.run(); // the process ends: nobody waits any more
    }
  }

  /** The same, for what may be cancelled. */
  Future<?> later(long millis, Runnable task) {
    try {
      return timer.schedule(task, millis, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      return CompletableFuture.completedFuture(null); // the process ends, and all streams with it
    }
  }

  /**
   * Takes (or gives back) memory for parts of results.
   *
   * @return false if there is none left; then nothing was taken
   */
  boolean resultBytes(long more) {
    if (resultBytes.addAndGet(more) <= settings.creditTotalBytes() || more <= 0) {
      return true;
    }
    resultBytes.addAndGet(-more);
    return false;
  }

  /** So many accounts more (or less) are kept here. */
  void kept(int more) {
    kept.addAndGet(more);
  }

  /** Bytes that an account may send beyond what is committed. */
  long window() {
    long share = settings.creditTotalBytes() / Math.max(1, kept.get());
    return Math.max(Limits.MESSAGE_BYTES, Math.min(settings.creditBytes(), share));
  }

  // ---- streams that come and go ----

  /** The stream's agent said Hello; another stream of it is over. */
  void connected(AgentStream stream) {
    AgentConnection c = stream.connection();
    events.connected(c);
    agents.merge(
        c.agentId(), stream, (a, b) -> a.connection().number() > b.connection().number() ? a : b);
    AgentStream newest = agents.get(c.agentId());
    for (AgentStream s : streams) {
      AgentConnection other = s.connection();
      if (newest != null && s != newest && other != null && other.agentId().equals(c.agentId())) {
        duplicate(s, newest);
      }
    }
    if (stream.departed()) {
      agents.remove(c.agentId(), stream); // it ended while it connected
    }
  }

  private void duplicate(AgentStream loser, AgentStream winner) {
    loser.goodbye(
        Goodbye.Code.DUPLICATE,
        "an agent with the same id connected" + (winner == null ? "" : ": " + winner),
        10_000);
  }

  /** The stream takes no more part, though it may still be open. */
  void departed(AgentStream stream) {
    AgentConnection c = stream.connection();
    if (c != null) {
      agents.remove(c.agentId(), stream);
    }
  }

  void over(AgentStream stream) {
    streams.remove(stream);
  }

  /** Tells the store that the stream is over; whoever waits for its accounts gets them at once. */
  void disconnected(AgentConnection c) {
    events.disconnected(c);
    try {
      store.disconnect(c);
    } catch (StoreUnavailableException e) {
      log.warn("{}: its leases are not freed, they run out: {}", c, e.getMessage());
    }
    checkSoon();
  }

  /** Frees a lease; whoever waits for the account gets it at once. */
  void release(Lease l) {
    execute(
        () -> {
          try {
            store.release(l);
          } catch (StoreUnavailableException e) {
            log.warn("{}: the lease is not freed, it runs out: {}", l, e.getMessage());
          }
          checkSoon();
        });
  }

  // ---- the clock ----

  /** Says so when it fails first, and when it does no more: it is tried each second. */
  private void renew() {
    try {
      boolean good = store.renew();
      if (renewalFails) {
        log.info("the leases of this Clouddriver are renewed again");
      }
      renewalFails = false;
      if (!good) {
        execute(this::reopenAll);
      }
    } catch (RuntimeException e) {
      if (!renewalFails) {
        log.error("the leases of this Clouddriver can't be renewed: {}", e.getMessage());
      }
      renewalFails = true;
    }
  }

  /**
   * Every lease was lost. An account that changes would hear of it with its next commit, but one at
   * rest would have no keeper until then.
   */
  private void reopenAll() {
    for (AgentStream s : agents.values()) {
      s.sessions().stream().filter(AccountSession::caching).forEach(AccountSession::reopen);
    }
  }

  private void tick() {
    if (settings.heartbeatSeconds() > 0) {
      long longest =
          TimeUnit.SECONDS.toNanos(
              settings.heartbeatSeconds() + settings.heartbeatTimeoutSeconds());
      streams.forEach(s -> s.checkSilence(longest));
    }
    checkSoon();
  }

  /**
   * Looks, on a writer, after accounts on standby and agents that have gone to another Clouddriver.
   * That it fails is said once, until it does no more.
   */
  private void checkSoon() {
    if (!agents.isEmpty() && checking.compareAndSet(false, true)) {
      execute(this::check);
    }
  }

  private void check() {
    checking.set(false);
    try {
      promote();
      leaveSuperseded();
      checkFails = false;
    } catch (StoreUnavailableException e) {
      if (!checkFails) {
        log.warn("accounts on standby can't be looked after: {}", e.getMessage());
      }
      checkFails = true;
    } catch (RuntimeException e) {
      log.error("accounts on standby can't be looked after", e);
    }
  }

  private void promote() {
    Map<String, List<AccountSession>> standby = new HashMap<>();
    for (AgentStream s : agents.values()) {
      for (AccountSession a : s.sessions()) {
        if (a.standby()) {
          standby.computeIfAbsent(a.name(), n -> new ArrayList<>()).add(a);
        }
      }
    }
    if (standby.isEmpty()) {
      return;
    }
    Map<AgentStream, Long> load = new HashMap<>();
    for (String name : store.unkept(standby.keySet())) {
      standby.getOrDefault(name, List.of()).stream()
          .min(Comparator.comparingLong(a -> load.computeIfAbsent(a.stream(), AgentStream::load)))
          .filter(AccountSession::reopen)
          .ifPresent(a -> load.merge(a.stream(), 1L, Long::sum));
    }
  }

  private void leaveSuperseded() {
    Map<AgentConnection, AgentStream> mine = new HashMap<>();
    for (AgentStream s : agents.values()) {
      mine.put(s.connection(), s);
    }
    if (!mine.isEmpty()) {
      for (AgentConnection c : store.superseded(new HashSet<>(mine.keySet()))) {
        duplicate(mine.get(c), null);
      }
    }
  }

  // ---- operations ----

  /** Whether an agent that may be given operations of the account is connected here. */
  public boolean serves(String account) {
    return server(account) != null;
  }

  /**
   * Has an operation done by an agent of the account that is connected here.
   *
   * @param operation with its id; how long it may take is set here. With any instance it is one
   *     that was lost before: the worker that had it is asked what came of it, and any other does
   *     not do it
   * @param millis until it is given up and cancelled, more than 0; the agent gets a little less, so
   *     that what it says of its end comes in time
   * @return the whole result, after what the operation changed is committed; or fails with an
   *     {@link OperationLostException}. To cancel it tells the agent that nobody waits any more
   */
  public CompletableFuture<OperationResult> operate(
      String account, Operation operation, long millis) {
    if (operation.getId().size() != Limits.OPERATION_ID_BYTES || millis <= 0) {
      throw new IllegalArgumentException("an operation without its id, or without time");
    }
    AccountSession session = server(account);
    if (session == null) {
      return CompletableFuture.failedFuture(
          new OperationLostException(
              "no agent that serves account " + account + " is connected to this Clouddriver",
              false));
    }
    long left = Math.max(1, millis - Math.min(1000, millis / 10));
    Operation.Builder timed =
        operation.toBuilder().setTimeoutMs((int) Math.min(left, Integer.MAX_VALUE));
    if (!operation.getInstance().isEmpty()) {
      timed.setInstance(lost.getOrDefault(operation.getId(), operation.getInstance()));
    }
    return session.operate(timed.build(), millis);
  }

  /** The operation ended unanswered; that worker had it. */
  void lost(ByteString id, ByteString worker) {
    if (!worker.isEmpty()) {
      lost.put(id, worker);
    }
  }

  /**
   * Rather the one that keeps it: what an operation changes is then committed before its answer.
   */
  private AccountSession server(String account) {
    AccountSession found = null;
    for (AgentStream s : agents.values()) {
      AccountSession a = s.session(account);
      if (a != null && a.caching()) {
        return a;
      }
      if (a != null && a.serves()) {
        found = a;
      }
    }
    return found;
  }

  // ---- for others ----

  @Override
  public Collection<AgentStatus> agents() {
    List<AgentStatus> list = new ArrayList<>();
    agents.values().forEach(s -> list.add(s.status()));
    return list;
  }

  @Override
  public boolean disconnect(String agentId, String reason, long retryAfterMillis) {
    AgentStream s = agents.get(agentId);
    if (s == null) {
      return false;
    }
    s.goodbye(Goodbye.Code.UNSPECIFIED, reason, retryAfterMillis);
    return true;
  }

  @Override
  public boolean reopen(String account, String reason) {
    for (AgentStream s : agents.values()) {
      for (AccountSession a : s.sessions()) {
        if (a.name().equals(account) && a.caching()) {
          log.info("account {}: a new epoch: {}", account, reason);
          return a.reopen();
        }
      }
    }
    return false;
  }

  /** Asks every agent to close, waits for that a moment, and ends what is left. */
  @Override
  public void close() {
    closed = true;
    for (AgentStream s : new ArrayList<>(streams)) {
      s.goodbye(Goodbye.Code.SHUTDOWN, "this Clouddriver stops", 1000);
    }
    try {
      long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(Limits.GOODBYE_MILLIS + 500);
      while (!streams.isEmpty() && System.nanoTime() - end < 0) {
        Thread.sleep(20);
      }
      lease.shutdownNow();
      timer.shutdownNow();
      writers.shutdown();
      writers.awaitTermination(5, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    lease.shutdownNow();
    timer.shutdownNow();
    writers.shutdownNow();
  }
}
