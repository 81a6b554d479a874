// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import io.scaleagent.proto.v1.AccountMessage;
import io.scaleagent.proto.v1.AccountOpen;
import io.scaleagent.proto.v1.AccountReply;
import io.scaleagent.proto.v1.Ack;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationResult;
import io.scaleagent.proto.v1.PluginMessage;
import io.scaleagent.proto.v1.Refusal;
import io.scaleagent.proto.v1.Welcome;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An account on the stream of its agent. The stream's thread brings messages, which are checked at
 * once and wait as steps; one writer at a time takes all that wait and does them in one
 * transaction.
 */
final class AccountSession {
  private static final Logger log = LoggerFactory.getLogger(AccountSession.class);

  private enum State {
    /** No epoch: none was asked for yet, or it is over. */
    CLOSED,
    /** The store is asked. */
    OPENING,
    CACHING,
    STANDBY,
    /** The stream or the account is gone; nothing follows. */
    ENDED
  }

  private final Engine engine;
  private final AgentStream stream;
  private final int handle;
  private final String name;

  private State state = State.CLOSED;
  private Epoch epoch; // while CACHING
  private EpochState epochState; // its writer's side
  private Lease lease; // of the epoch that was given last, until it is released
  private AccountProperties properties; // of the last AccountOpen
  private boolean openWanted;
  private final Deque<Step> waiting = new ArrayDeque<>();
  private long waitingBytes;
  private boolean writing; // a writer is with this account, or is on its way
  private long wrote; // when a writer was here last, by System.nanoTime()
  private long due = Long.MAX_VALUE; // System.nanoTime() at which the steps may wait no longer
  private boolean flushing;
  private final OpenPace pace;
  private final List<Runnable> afterRound =
      new ArrayList<>(); // when the writer has done what it took
  private final List<Runnable> whenIdle = new ArrayList<>(); // when nothing waits any more
  private long committed; // bytes of the epoch's credit whose messages are committed
  private long acknowledged;
  private Object worker; // another one with each worker that comes; null when it is gone
  private ByteString instance = ByteString.EMPTY; // of that worker
  private final Operations operations;

  AccountSession(Engine engine, AgentStream stream, int handle, String name) {
    this.engine = engine;
    this.stream = stream;
    this.handle = handle;
    this.name = name;
    this.operations = new Operations(engine, name, new Worker());
    this.pace = new OpenPace(engine.settings().openApartMillis());
  }

  String name() {
    return name;
  }

  AgentStream stream() {
    return stream;
  }

  synchronized boolean caching() {
    return state == State.CACHING;
  }

  synchronized boolean standby() {
    return state == State.STANDBY && !openWanted;
  }

  /**
   * Whether its worker may be given operations: the store has accepted it, to keep or to stand by.
   */
  synchronized boolean serves() {
    return state == State.CACHING || state == State.STANDBY;
  }

  @Override
  public String toString() {
    return "account " + name;
  }

  // ---- what comes ----

  /** A message of the worker. Called by the stream's thread; never waits. */
  void receive(ByteString data) {
    Object before;
    Object now;
    synchronized (this) {
      before = worker;
      read(data);
      now = worker;
    }
    if (now != before) {
      operations.worker();
    }
  }

  private void read(ByteString data) {
    if (state == State.ENDED) {
      return;
    }
    AccountMessage m;
    try {
      CodedInputStream in = data.newCodedInput();
      in.enableAliasing(true); // objects stay where they are, in the stream's message
      m = AccountMessage.parseFrom(in);
    } catch (InvalidProtocolBufferException e) {
      refuse(Refusal.Code.VIOLATION, "what came is no AccountMessage");
      return;
    } catch (IOException e) {
      throw new IllegalStateException("reading from memory", e);
    }
    try {
      take(m, data.size());
    } catch (Violation v) {
      refuse(
          Refusal.Code.VIOLATION,
          m.getBodyCase().name().toLowerCase(Locale.ROOT) + ": " + v.getMessage());
    }
  }

  private void take(AccountMessage m, int size) {
    if (m.hasOpen()) {
      Violation.require(m.getEpoch() == 0, "it names epoch %d", m.getEpoch());
      Violation.require(size < Limits.OPEN_BYTES, "it has %d bytes", size);
      open(m.getOpen());
    } else if (epoch != null && m.getEpoch() == epoch.number()) {
      if (m.getBodyCase() != AccountMessage.BodyCase.BODY_NOT_SET) {
        Step step = epoch.receive(m, size);
        if (step != null) {
          append(step, size);
        }
      }
    } else {
      Violation.require(m.getEpoch() != 0, "it has no epoch");
      Violation.require(
          state != State.STANDBY || lease == null || m.getEpoch() != lease.epoch(),
          "it came on standby");
      // Else it is of an epoch that is over, perhaps of the stream before.
    }
  }

  private void append(Step step, int size) {
    waiting.add(step);
    waitingBytes += step.used > 0 ? 0 : size;
    Violation.require(
        waitingBytes <= Limits.WAITING_BYTES,
        "more than %d bytes of messages wait",
        Limits.WAITING_BYTES);
    schedule(System.nanoTime() + delayMillis(step) * 1_000_000);
  }

  /**
   * How long the step may wait for others. A change that comes after a rest does not: if it is the
   * first of many, they gather while its transaction runs.
   */
  private long delayMillis(Step step) {
    EngineSettings s = engine.settings();
    if (flushing || operations.committing() || step.urgency() == Step.Urgency.NOW) {
      return 0;
    } else if (step.urgency() == Step.Urgency.GATHER) {
      boolean rested = System.nanoTime() - wrote > s.restMillis() * 1_000_000;
      return rested ? 0 : s.gatherMillis();
    } else {
      return s.gatherCheckpointsMillis();
    }
  }

  private void open(AccountOpen m) {
    Violation.require(
        m.getInstance().isEmpty() || m.getInstance().size() == Limits.INSTANCE_BYTES,
        "an instance of %d bytes",
        m.getInstance().size());
    if (worker == null || m.getInstance().isEmpty() || !m.getInstance().equals(instance)) {
      worker = new Object();
      instance = m.getInstance();
    }
    properties = Messages.properties(m);
    endEpoch();
    state = State.OPENING;
    Optional<String> refusal = engine.policy().refusal(stream.client(), name);
    if (refusal.isPresent()) {
      refuse(Refusal.Code.NOT_ALLOWED, refusal.get());
      return;
    }
    long wait = pace.came(System.nanoTime()) / 1_000_000;
    if (wait > 0) {
      log.warn("account {} of {} is opened again and again, it waits {} ms", name, stream, wait);
    }
    Object asked = properties;
    stream.whenNamed(() -> engine.after(wait, () -> openSoon(asked)));
  }

  /** Unless another AccountOpen has come since. */
  private synchronized void openSoon(Object asked) {
    if (state == State.OPENING && properties == asked) {
      openWanted = true;
      schedule(System.nanoTime());
    }
  }

  /** Asks for an account on standby, or for a new epoch of one that is kept. */
  synchronized boolean reopen() {
    if (state != State.STANDBY && state != State.CACHING) {
      return false;
    }
    openWanted = true;
    schedule(System.nanoTime());
    return true;
  }

  // ---- operations ----

  /** See {@link Engine#operate}. */
  CompletableFuture<OperationResult> operate(Operation operation, long millis) {
    return operations.begin(operation, millis);
  }

  /** A part of an operation's result. Called by the stream's thread; never waits. */
  void result(ByteString data) {
    try {
      operations.part(data);
      if (operations.committing()) {
        hurry();
      }
    } catch (Violation v) {
      synchronized (this) {
        refuse(Refusal.Code.VIOLATION, "operation_result: " + v.getMessage());
      }
      operations.lost("the account's worker broke the protocol");
    }
  }

  /** Somebody waits for what came: it does not wait for more. */
  private synchronized void hurry() {
    if (!waiting.isEmpty()) {
      schedule(System.nanoTime());
    }
  }

  private final class Worker implements Operations.Worker {
    @Override
    public String agent() {
      return stream.toString();
    }

    @Override
    public void send(PluginMessage.Builder message) {
      stream.send(message.setAccount(handle).build());
    }

    @Override
    public ByteString instance() {
      synchronized (AccountSession.this) {
        return instance;
      }
    }

    @Override
    public boolean uncommitted(long number, long sequence) {
      synchronized (AccountSession.this) {
        return epoch != null && epoch.number() == number && acknowledged < sequence;
      }
    }
  }

  // ---- the writer ----

  private void schedule(long when) {
    if (writing) {
      due = Math.min(due, when);
      return;
    }
    long now = System.nanoTime();
    if (when - now <= 0) {
      writing = true;
      due = Long.MAX_VALUE;
      engine.execute(this::write);
    } else if (due == Long.MAX_VALUE || when - due < 0) {
      due = when;
      engine.after((when - now) / 1_000_000 + 1, this::wake);
    }
  }

  private synchronized void wake() {
    if (!writing && due != Long.MAX_VALUE && due - System.nanoTime() <= 0) {
      schedule(due);
    }
  }

  /** Does what waits. One writer at a time. */
  private void write() {
    try {
      boolean open;
      List<Step> steps;
      EpochState state;
      Lease of;
      synchronized (this) {
        open = openWanted;
        openWanted = false;
        steps = new ArrayList<>(waiting);
        waiting.clear();
        waitingBytes = 0;
        due = Long.MAX_VALUE;
        state = epochState;
        of = lease;
      }
      if (!steps.isEmpty()) {
        commit(of, state, steps);
      }
      if (open) {
        openNow();
      }
    } catch (RuntimeException | Error e) {
      log.error("account {}: the writer failed", name, e);
      stream.goodbyeForFailure("an internal error, see Clouddriver's log");
    } finally {
      written();
    }
  }

  private void written() {
    List<Runnable> after;
    synchronized (this) {
      after = new ArrayList<>(afterRound);
      afterRound.clear();
      writing = false;
      wrote = System.nanoTime();
      if (openWanted || !waiting.isEmpty()) {
        long when = openWanted || flushing || due == Long.MAX_VALUE ? System.nanoTime() : due;
        due = Long.MAX_VALUE;
        schedule(when);
      } else {
        after.addAll(whenIdle);
        whenIdle.clear();
      }
    }
    after.forEach(Runnable::run);
  }

  private void openNow() {
    AccountProperties p;
    boolean patient;
    synchronized (this) {
      if (state == State.ENDED) {
        return;
      }
      p = properties;
      patient = pace.mayWait();
    }
    Opening opening;
    try {
      if (patient && engine.store().hasItsShare(stream.connection(), name)) {
        // On standby the engine asks again.
        engine.after(Limits.YIELD_MILLIS, () -> openSoon(p));
        return;
      }
      opening = engine.store().open(stream.connection(), name, p, engine.rows().settings(name, p));
    } catch (StoreUnavailableException e) {
      log.error("account {}: can't be opened: {}", name, e.getMessage());
      stream.goodbyeForFailure("the database fails");
      return;
    } catch (RuntimeException e) {
      log.error("account {}: can't be opened", name, e);
      synchronized (this) {
        refuse(Refusal.Code.UNSPECIFIED, "an internal error of the plugin, see Clouddriver's log");
      }
      return;
    }
    engine.events().opened(name, opening.decision());
    opened(opening, p);
  }

  private void opened(Opening o, AccountProperties asked) {
    synchronized (this) {
      if (state != State.ENDED && state != State.CLOSED) {
        if (properties == asked) {
          begin(o);
        } // else the worker came anew meanwhile, and the store is asked again for it
        return;
      }
    }
    engine.release(o.lease());
  }

  private void begin(Opening o) {
    boolean stoodBy = state == State.STANDBY;
    switch (o.decision()) {
      case NAME_IN_USE:
        refuse(Refusal.Code.NAME_IN_USE, o.reason());
        break;
      case STANDBY:
        endEpoch();
        lease = o.lease();
        state = State.STANDBY;
        pace.standsBy();
        if (!stoodBy) {
          log.info("account {}: {} stands by: {}", name, stream, o.reason());
          reply(
              lease.epoch(),
              AccountReply.newBuilder()
                  .setWelcome(Welcome.newBuilder().setRole(Welcome.Role.STANDBY)));
        }
        break;
      default:
        endEpoch();
        lease = o.lease();
        epoch = new Epoch(lease.epoch(), engine.window());
        epochState = new EpochState(o.scopes());
        state = State.CACHING;
        pace.kept();
        engine.kept(1);
        log.info(
            "account {}: kept by {}, epoch {}, {} scopes stored",
            name,
            stream,
            lease.epoch(),
            o.scopes().size());
        Messages.welcome(o.scopes(), epoch.grant(0)).forEach(w -> reply(lease.epoch(), w));
    }
  }

  private void commit(Lease of, EpochState state, List<Step> steps) {
    long began = System.nanoTime();
    try {
      Transactions.Result r = engine.transactions().run(of, state, steps);
      engine.events().committed(name, r.deltas(), r.oldestMicros(), System.nanoTime() - began);
      engine.points().at("after-commit");
      answer(of, r);
      operations.committed();
    } catch (FencedException e) {
      refuseEpoch(
          of,
          Refusal.Code.FENCED,
          "another agent or Clouddriver has the account: " + e.getMessage());
    } catch (Violation v) {
      refuseEpoch(of, Refusal.Code.VIOLATION, v.getMessage());
    } catch (StoreUnavailableException e) {
      log.error("account {}: nothing can be written: {}", name, e.getMessage());
      stream.goodbyeForFailure("the database fails");
    } catch (RuntimeException e) {
      log.error("account {}: nothing can be written", name, e);
      refuseEpoch(
          of, Refusal.Code.UNSPECIFIED, "an internal error of the plugin, see Clouddriver's log");
    }
  }

  /** After the commit: the replies, and what is acknowledged by it. */
  private synchronized void answer(Lease of, Transactions.Result r) {
    if (epoch == null || epoch.number() != of.epoch()) {
      return;
    }
    r.replies().forEach(reply -> reply(of.epoch(), reply));
    if (r.used() > 0) {
      engine.points().at("before-ack");
      committed += r.used();
      acknowledged = Math.max(acknowledged, r.acknowledge());
      long credit = epoch.grant(committed + engine.window());
      reply(
          of.epoch(),
          AccountReply.newBuilder()
              .setAck(Ack.newBuilder().setSequence(acknowledged).setCredit(credit)));
      engine.points().at("after-ack");
    }
  }

  // ---- the end ----

  private synchronized void refuseEpoch(Lease of, Refusal.Code code, String reason) {
    if (epoch != null && epoch.number() == of.epoch()) {
      refuse(code, reason);
    }
  }

  private void refuse(Refusal.Code code, String reason) {
    long number = epoch != null ? epoch.number() : 0;
    log.warn("account {} of {} is refused, {}: {}", name, stream, code, reason);
    engine.events().refused(name, code);
    reply(
        number,
        AccountReply.newBuilder().setRefusal(Refusal.newBuilder().setCode(code).setReason(reason)));
    close(State.CLOSED).ifPresent(engine::release);
  }

  /** The worker is gone: the account is free for others. */
  void gone(String reason) {
    synchronized (this) {
      worker = null;
      if (state != State.ENDED) {
        close(State.CLOSED).ifPresent(engine::release);
      }
    }
    operations.lost("the account's worker ended" + (reason.isEmpty() ? "" : " (" + reason + ")"));
  }

  /**
   * The stream is over, or the account is no more named on it.
   *
   * @return the lease that the caller has to free, if there is one
   */
  Optional<Lease> end() {
    Optional<Lease> over;
    synchronized (this) {
      over = close(State.ENDED);
    }
    operations.lost("the stream of " + stream + " ended");
    return over;
  }

  /** The writer runs once more, for what is left to be done after the last round. */
  private Optional<Lease> close(State then) {
    Optional<Lease> over = state == State.CACHING ? Optional.of(lease) : Optional.empty();
    endEpoch();
    state = then;
    schedule(System.nanoTime());
    return over;
  }

  /** What waits of the epoch goes with it; a transaction that runs is let run. */
  private void endEpoch() {
    if (epoch != null) {
      Lease over = lease;
      engine.kept(-1);
      afterRound.add(() -> engine.rows().forget(over));
      afterRound.add(operations::committed);
    }
    epoch = null;
    epochState = null;
    lease = null;
    committed = 0;
    acknowledged = 0;
    waiting.clear();
    waitingBytes = 0;
    openWanted = false;
  }

  /** Commits what has come, answers it, and then calls back; nothing comes any more. */
  synchronized void flush(Runnable done) {
    flushing = true;
    whenIdle.add(done);
    schedule(System.nanoTime());
  }

  private void reply(long number, AccountReply.Builder reply) {
    stream.send(
        PluginMessage.newBuilder()
            .setAccount(handle)
            .setAccountReply(reply.setEpoch(number).build().toByteString())
            .build());
  }
}
