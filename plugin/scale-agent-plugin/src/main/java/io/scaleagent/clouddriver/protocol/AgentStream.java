// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import io.scaleagent.proto.v1.AccountName;
import io.scaleagent.proto.v1.Accounts;
import io.scaleagent.proto.v1.AgentMessage;
import io.scaleagent.proto.v1.Goodbye;
import io.scaleagent.proto.v1.Heartbeat;
import io.scaleagent.proto.v1.Hello;
import io.scaleagent.proto.v1.HelloAnswer;
import io.scaleagent.proto.v1.PluginMessage;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One agent's stream, from its call to its end. The server calls {@link #message}, {@link
 * #halfClosed} and {@link #broken}, one at a time; none of them waits for anything.
 */
public final class AgentStream {
  private static final Logger log = LoggerFactory.getLogger(AgentStream.class);

  private enum State {
    /** Hello has not come. */
    NEW,
    /** The store is told of the agent. */
    CONNECTING,
    READY,
    /** The agent has ended its half: what came is committed, and then the call ends. */
    FLUSHING,
    /** It was told Goodbye, and has to close. */
    LEAVING,
    OVER
  }

  private final Engine engine;
  private final Client client;
  private final StreamSink sink;
  private final Object out = new Object(); // held while something is sent

  private State state = State.NEW;
  private volatile AgentConnection connection;
  private volatile Instant since;
  private volatile long heard = System.nanoTime();
  private final Map<Integer, String> handles = new HashMap<>(); // all that were ever named
  private final Map<Integer, AccountSession> accounts = new HashMap<>();
  // What the store has to be told in order: connect, then each list of accounts, then disconnect.
  private CompletableFuture<Void> told = CompletableFuture.completedFuture(null);

  AgentStream(Engine engine, Client client, StreamSink sink) {
    this.engine = engine;
    this.client = client;
    this.sink = sink;
  }

  Client client() {
    return client;
  }

  /** Of a stream that said Hello; null before. */
  AgentConnection connection() {
    return connection;
  }

  @Override
  public String toString() {
    AgentConnection c = connection;
    return c == null ? "client " + client : c + " at " + client;
  }

  // ---- what comes ----

  /** A message of the agent. */
  public synchronized void message(AgentMessage m) {
    heard = System.nanoTime();
    if (state == State.LEAVING || state == State.OVER) {
      return;
    }
    try {
      take(m);
    } catch (Violation v) {
      leave(Goodbye.Code.VIOLATION, v.getMessage(), 1000);
    }
  }

  /** What came could not be decoded. */
  public synchronized void malformed(String reason) {
    if (state != State.LEAVING && state != State.OVER) {
      leave(Goodbye.Code.VIOLATION, reason, 1000);
    }
  }

  private void take(AgentMessage m) {
    if (m.hasHello()) {
      hello(m.getHello());
      return;
    }
    Violation.require(state != State.NEW, "%s came before Hello", m.getBodyCase());
    switch (m.getBodyCase()) {
      case ACCOUNTS:
        accounts(m.getAccounts());
        break;
      case HEARTBEAT:
        if (!m.getHeartbeat().getReply()) {
          send(
              PluginMessage.newBuilder()
                  .setHeartbeat(
                      Heartbeat.newBuilder().setNonce(m.getHeartbeat().getNonce()).setReply(true))
                  .build());
        }
        break;
      case ACCOUNT_GONE:
        account(m).ifPresent(a -> a.gone(m.getAccountGone().getReason()));
        break;
      case ACCOUNT_MESSAGE:
        Violation.require(
            state != State.CONNECTING, "an account's message came before HelloAnswer was sent");
        account(m).ifPresent(a -> a.receive(m.getAccountMessage()));
        break;
      case OPERATION_RESULT:
        Violation.require(
            state != State.CONNECTING, "an account's message came before HelloAnswer was sent");
        account(m).ifPresent(a -> a.result(m.getOperationResult()));
        break;
      default: // of a later version
    }
  }

  /** Empty for one that was named and is no more. */
  private Optional<AccountSession> account(AgentMessage m) {
    Violation.require(
        handles.containsKey(m.getAccount()), "handle %d was never named", m.getAccount());
    return Optional.ofNullable(accounts.get(m.getAccount()));
  }

  private void hello(Hello m) {
    Violation.require(state == State.NEW, "Hello came twice");
    Violation.require(
        !m.getAgentId().isEmpty() && m.getAgentId().length() <= Limits.NAME_LENGTH,
        "Hello has no id of the agent, or one of more than %d characters",
        Limits.NAME_LENGTH);
    Violation.require(
        m.getInstance().size() == Limits.INSTANCE_BYTES,
        "Hello has an instance of %d bytes",
        m.getInstance().size());
    int version = Math.min(m.getProtocol(), Limits.PROTOCOL_MAX);
    if (version < Math.max(m.getProtocolMin(), Limits.PROTOCOL_MIN)) {
      leave(Goodbye.Code.INCOMPATIBLE, incompatible(m), 60_000);
      return;
    }
    state = State.CONNECTING;
    told = CompletableFuture.runAsync(() -> connect(m, version), engine::execute);
    told.exceptionally(this::failed);
  }

  private String incompatible(Hello m) {
    return String.format(
        "agent %s (scale-agent %s) speaks protocol %d to %d, plugin %s speaks %d to %d: upgrade the older of the two",
        m.getAgentId(),
        m.getAgentVersion(),
        m.getProtocolMin(),
        m.getProtocol(),
        engine.settings().pluginVersion(),
        Limits.PROTOCOL_MIN,
        Limits.PROTOCOL_MAX);
  }

  private void connect(Hello m, int version) {
    AgentConnection c =
        engine
            .store()
            .connect(
                m.getAgentId(),
                m.getZoneId(),
                m.getAgentVersion(),
                Messages.hex(m.getInstance()),
                client.peer());
    synchronized (this) {
      connection = c;
      since = Instant.now();
      if (departed()) {
        return; // it has ended meanwhile: disconnect follows this
      }
    }
    engine.connected(this); // another stream of the agent is over before this one begins
    synchronized (this) {
      if (departed()) {
        return;
      }
      if (state == State.CONNECTING) {
        state = State.READY;
      }
      send(helloAnswer(version));
    }
    log.info("{} connected: scale-agent {}, zone \"{}\"", this, m.getAgentVersion(), m.getZoneId());
  }

  private PluginMessage helloAnswer(int version) {
    return PluginMessage.newBuilder()
        .setHello(
            HelloAnswer.newBuilder()
                .setProtocol(version)
                .setPluginVersion(engine.settings().pluginVersion())
                .setClouddriverId(engine.settings().clouddriverId())
                .setHeartbeatSeconds(engine.settings().heartbeatSeconds()))
        .build();
  }

  private void accounts(Accounts m) {
    Map<Integer, String> named = new HashMap<>();
    Set<String> names = new HashSet<>();
    for (AccountName a : m.getAccountsList()) {
      Violation.require(
          a.getHandle() != 0
              && !a.getName().isEmpty()
              && a.getName().length() <= Limits.NAME_LENGTH,
          "an account has no handle, no name, or one of more than %d characters",
          Limits.NAME_LENGTH);
      Violation.require(
          named.put(a.getHandle(), a.getName()) == null && names.add(a.getName()),
          "account %s is named twice",
          a.getName());
      String before = handles.putIfAbsent(a.getHandle(), a.getName());
      Violation.require(
          before == null || before.equals(a.getName()),
          "handle %d is used again for another account",
          a.getHandle());
    }
    for (Integer gone : new ArrayList<>(accounts.keySet())) {
      if (!named.containsKey(gone)) {
        accounts.remove(gone).end().ifPresent(engine::release);
      }
    }
    named.forEach(
        (handle, name) ->
            accounts.computeIfAbsent(handle, h -> new AccountSession(engine, this, h, name)));
    told = told.thenRunAsync(() -> named(names), engine::execute);
    told.exceptionally(this::failed);
  }

  private void named(Set<String> names) {
    Set<String> allowed = new HashSet<>();
    for (String name : names) {
      if (engine.policy().refusal(client, name).isEmpty()) {
        allowed.add(name); // one that it may not bring is refused when it is opened
      }
    }
    Set<String> retracted = engine.store().named(connection, allowed);
    if (!retracted.isEmpty()) {
      log.info("{} names these accounts no more, and nobody else does: {}", this, retracted);
    }
  }

  /** Runs the task once the store knows the agent and the accounts that it named so far. */
  synchronized void whenNamed(Runnable task) {
    told.thenRun(task);
  }

  private Void failed(Throwable thrown) {
    Throwable cause = thrown.getCause() == null ? thrown : thrown.getCause();
    synchronized (this) {
      if (state == State.LEAVING || state == State.OVER) {
        return null;
      }
    }
    if (cause instanceof StoreUnavailableException) {
      log.error("{}: {}", this, cause.getMessage());
      goodbyeForFailure("the database fails");
    } else {
      log.error("{}: an internal error", this, cause);
      goodbyeForFailure("an internal error, see Clouddriver's log");
    }
    return null;
  }

  // ---- what goes ----

  /** Sends, in the order of the calls; does nothing once the stream is over. */
  void send(PluginMessage m) {
    synchronized (out) {
      sink.send(m);
    }
  }

  // ---- the end ----

  /**
   * The agent has ended its half: everything that came is committed and acknowledged before the
   * call ends.
   */
  public void halfClosed() {
    List<AccountSession> all;
    synchronized (this) {
      if (state == State.OVER) {
        return;
      }
      if (state == State.NEW || state == State.LEAVING) {
        over(true);
        return;
      }
      state = State.FLUSHING;
      all = new ArrayList<>(accounts.values());
    }
    AtomicInteger left = new AtomicInteger(all.size() + 1);
    Runnable done =
        () -> {
          if (left.decrementAndGet() == 0) {
            flushed();
          }
        };
    all.forEach(a -> a.flush(done));
    done.run();
  }

  private synchronized void flushed() {
    if (state == State.FLUSHING) {
      depart();
      over(true);
    }
  }

  /** The connection is gone. */
  public synchronized void broken(String reason) {
    if (state == State.OVER) {
      return;
    }
    log.info("{} is gone: {}", this, reason);
    if (state != State.LEAVING) {
      depart();
    }
    over(false);
  }

  /** Ends the accounts here and tells the store: others may have them. */
  private void depart() {
    accounts.values().forEach(AccountSession::end);
    accounts.clear();
    engine.departed(this);
    told = told.handleAsync((v, t) -> disconnect(), engine::execute);
  }

  private void over(boolean complete) {
    state = State.OVER;
    engine.over(this);
    if (complete) {
      synchronized (out) {
        sink.complete();
      }
    }
  }

  private Void disconnect() {
    AgentConnection c = connection;
    if (c != null) {
      engine.disconnected(c);
    }
    return null;
  }

  void goodbyeForFailure(String reason) {
    goodbye(Goodbye.Code.UNSPECIFIED, reason, 2000);
  }

  /** Asks the agent to close. It may come back after that time. */
  synchronized void goodbye(Goodbye.Code code, String reason, long retryAfterMillis) {
    if (state != State.LEAVING && state != State.OVER) {
      leave(code, reason, retryAfterMillis);
    }
  }

  private void leave(Goodbye.Code code, String reason, long retryAfterMillis) {
    if (code == Goodbye.Code.SHUTDOWN) {
      log.info("{} is asked to go: {}", this, reason);
    } else {
      log.warn("{} is sent away, {}: {}", this, code, reason);
    }
    engine.events().goodbye(code);
    state = State.LEAVING;
    depart();
    send(
        PluginMessage.newBuilder()
            .setGoodbye(
                Goodbye.newBuilder()
                    .setCode(code)
                    .setReason(reason)
                    .setRetryAfterMs((int) retryAfterMillis))
            .build());
    engine.after(Limits.GOODBYE_MILLIS, this::closeNow);
  }

  private synchronized void closeNow() {
    if (state == State.LEAVING) {
      over(true);
    }
  }

  /** Called now and then: gives up a stream on which nothing came for so long. */
  void checkSilence(long longestNanos) {
    if (System.nanoTime() - heard > longestNanos) {
      goodbye(
          Goodbye.Code.UNSPECIFIED,
          "nothing was heard for " + longestNanos / 1_000_000_000 + " s",
          0);
    }
  }

  // ---- how it is ----

  synchronized boolean departed() {
    return state == State.LEAVING || state == State.OVER;
  }

  /** How many accounts it keeps. */
  long load() {
    return sessions().stream().filter(AccountSession::caching).count();
  }

  synchronized Collection<AccountSession> sessions() {
    return new ArrayList<>(accounts.values());
  }

  /** The account of that name; null if the agent does not name it. */
  synchronized AccountSession session(String account) {
    for (AccountSession a : accounts.values()) {
      if (a.name().equals(account)) {
        return a;
      }
    }
    return null;
  }

  AgentStatus status() {
    Set<String> names = new HashSet<>();
    Set<String> caching = new HashSet<>();
    for (AccountSession a : sessions()) {
      names.add(a.name());
      if (a.caching()) {
        caching.add(a.name());
      }
    }
    return new AgentStatus(connection, client.peer(), since, names, caching);
  }
}
