// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.accounts.ConnectedAgent;
import io.scaleagent.clouddriver.accounts.Replica;
import io.scaleagent.clouddriver.protocol.Threads;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The side that asks: sends operations to the Clouddriver that an agent of the account is connected
 * to. It asks the database where that is, in the caller's thread.
 */
public final class PeerOperations implements OperationCarrier, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(PeerOperations.class);
  private static final Duration CONNECT = Duration.ofSeconds(3);
  private static final Duration DISCONNECT = Duration.ofSeconds(10);

  /** How much longer than the operation the other one has to say that it took too long. */
  private static final Duration GRACE = Duration.ofSeconds(1);

  /**
   * Calls under way at most. It is fewer than the threads by which a Clouddriver serves HTTP, so
   * that two of them that ask each other always have some left to answer.
   */
  private static final int MOST = 100;

  private final AccountCatalog catalog;
  private final SharedSecret secret;
  private final SecureRandom random = new SecureRandom();
  private final Semaphore free = new Semaphore(MOST);
  private final ExecutorService threads =
      Executors.newCachedThreadPool(Threads.named("scale-agent-peer"));
  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .connectTimeout(CONNECT)
          .executor(threads)
          .build();

  public PeerOperations(AccountCatalog catalog, SharedSecret secret) {
    this.catalog = catalog;
    this.secret = secret;
  }

  /** Where a call goes. */
  private static final class Target {
    final String agent;
    final Replica replica;

    Target(String agent, Replica replica) {
      this.agent = agent;
      this.replica = replica;
    }

    @Override
    public String toString() {
      return "agent " + agent + " at Clouddriver " + replica.id() + " (" + replica.baseUrl() + ")";
    }
  }

  @Override
  public CompletableFuture<List<byte[]>> run(String account, byte[] operation, Duration timeout) {
    Target to;
    try {
      to = target(account);
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(
          e instanceof CarrierException ? e : new CarrierException(e.getMessage(), false, e));
    }
    Call call = new Call(Call.What.OPERATION, account, timeout.toMillis(), operation);
    return send(to, call, "account " + account + ": " + to, timeout.plus(GRACE));
  }

  /**
   * Ends the stream of an agent of another Clouddriver.
   *
   * @throws CarrierException if that can't be done
   */
  public void disconnect(ConnectedAgent agent) {
    Target to = new Target(agent.agentId(), replica(agent.clouddriverId(), agent.agentId()));
    Call call = new Call(Call.What.DISCONNECT, agent.agentId(), 0, new byte[0]);
    try {
      send(to, call, to.toString(), DISCONNECT).join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof CarrierException ? (CarrierException) e.getCause() : e;
    }
  }

  /** The agent that keeps the account, else any that is connected and has it. */
  private Target target(String account) {
    String self = catalog.clouddriverId();
    Optional<AgentAccount> found = catalog.account(account);
    if (found.isPresent() && found.get().kept() && !found.get().clouddriverId().equals(self)) {
      AgentAccount a = found.get();
      return new Target(a.agentId(), replica(a.clouddriverId(), a.agentId()));
    }
    for (ConnectedAgent agent : catalog.agents()) {
      if (agent.accounts().contains(account) && !agent.clouddriverId().equals(self)) {
        return new Target(agent.agentId(), replica(agent.clouddriverId(), agent.agentId()));
      }
    }
    throw new CarrierException(
        "account " + account + ": no agent that has it is connected to any Clouddriver", false);
  }

  private Replica replica(String id, String agent) {
    Replica replica =
        catalog.clouddrivers().stream()
            .filter(r -> r.id().equals(id) && r.alive())
            .findFirst()
            .orElseThrow(
                () ->
                    new CarrierException(
                        "agent "
                            + agent
                            + " was connected to Clouddriver "
                            + id
                            + ", which is gone",
                        false));
    if (replica.baseUrl().isEmpty()) {
      throw new CarrierException(
          "agent "
              + agent
              + " is connected to Clouddriver "
              + id
              + ", which does not say where it is reached: set kubesvc.baseUrl there",
          false);
    }
    return replica;
  }

  private CompletableFuture<List<byte[]>> send(
      Target to, Call call, String what, Duration timeout) {
    if (!free.tryAcquire()) {
      return CompletableFuture.failedFuture(
          new CarrierException(
              what + ": " + MOST + " calls to other Clouddrivers are under way already", false));
    }
    byte[] id = new byte[Seal.ID_BYTES];
    random.nextBytes(id);
    CompletableFuture<List<byte[]>> result = new CompletableFuture<>();
    AtomicReference<CompletableFuture<?>> exchange = new AtomicReference<>();
    result.whenComplete(
        (parts, thrown) -> {
          free.release();
          CompletableFuture<?> under = exchange.get();
          if (under != null && !under.isDone()) { // cancelled, or too late
            under.cancel(true);
            if (call.what == Call.What.OPERATION) {
              cancel(to, id);
            }
          }
        });
    try {
      Seal seal = new Seal(secret.secret());
      CompletableFuture<HttpResponse<byte[]>> asked = ask(to, seal, id, call, timeout);
      exchange.set(asked);
      asked.whenComplete((response, thrown) -> finish(result, seal, id, what, response, thrown));
    } catch (RuntimeException e) {
      result.completeExceptionally(new CarrierException(what + ": " + e.getMessage(), false, e));
    }
    expire(result, what, timeout);
    return result;
  }

  private static void expire(
      CompletableFuture<List<byte[]>> result, String what, Duration timeout) {
    CompletableFuture<Void> timer =
        new CompletableFuture<Void>()
            .completeOnTimeout(null, timeout.toMillis(), TimeUnit.MILLISECONDS);
    timer.thenRun(
        () ->
            result.completeExceptionally(
                new CarrierException(
                    what + " gave no answer within " + timeout.toMillis() + " ms", true)));
    result.whenComplete((parts, thrown) -> timer.cancel(false));
  }

  private CompletableFuture<HttpResponse<byte[]>> ask(
      Target to, Seal seal, byte[] id, Call call, Duration timeout) {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(to.replica.baseUrl() + PeerEndpoint.PATH))
            .timeout(timeout.plus(GRACE))
            .header("Content-Type", "application/octet-stream")
            .POST(
                HttpRequest.BodyPublishers.ofByteArray(
                    seal.request(id, secret.now(), to.replica.id(), call.encode())))
            .build();
    return client.sendAsync(request, HttpResponse.BodyHandlers.ofByteArray());
  }

  private void finish(
      CompletableFuture<List<byte[]>> result,
      Seal seal,
      byte[] id,
      String what,
      HttpResponse<byte[]> response,
      Throwable thrown) {
    try {
      if (thrown != null) {
        throw lost(what, thrown);
      }
      result.complete(answer(seal, id, what, response));
    } catch (CarrierException e) {
      result.completeExceptionally(e);
    }
  }

  private List<byte[]> answer(Seal seal, byte[] id, String what, HttpResponse<byte[]> response) {
    if (response.statusCode() != 200) {
      String said = new String(response.body(), StandardCharsets.UTF_8).strip();
      if (response.statusCode() == 401) {
        secret.refresh();
      }
      // 401, 404 and 503 come before anything is done; others from something in between.
      boolean begun = !List.of(401, 404, 503).contains(response.statusCode());
      throw new CarrierException(
          what
              + " answers "
              + response.statusCode()
              + (said.isEmpty() ? "" : ": " + said.substring(0, Math.min(500, said.length()))),
          begun);
    }
    try {
      return Call.decodeAnswer(seal.openResponse(id, response.body()));
    } catch (Seal.BrokenException | IOException e) {
      throw new CarrierException(what + " answers what can't be read: " + e.getMessage(), true);
    } catch (CarrierException e) {
      throw new CarrierException(what + ": " + e.getMessage(), e.begun());
    }
  }

  private static CarrierException lost(String what, Throwable thrown) {
    Throwable cause =
        thrown instanceof CompletionException && thrown.getCause() != null
            ? thrown.getCause()
            : thrown;
    boolean reached =
        !(cause instanceof ConnectException || cause instanceof HttpConnectTimeoutException);
    String why = String.valueOf(cause.getMessage() == null ? cause : cause.getMessage());
    return new CarrierException(
        what + (reached ? " was lost before it answered: " : " can't be reached: ") + why,
        reached,
        cause);
  }

  private void cancel(Target to, byte[] id) {
    byte[] own = new byte[Seal.ID_BYTES];
    random.nextBytes(own);
    Call call = new Call(Call.What.CANCEL, PeerEndpoint.hex(id), 0, new byte[0]);
    try {
      ask(to, new Seal(secret.secret()), own, call, CONNECT)
          .whenComplete(
              (r, t) -> {
                if (t != null) {
                  log.debug("{} is not told that nobody waits any more", to, t);
                }
              });
    } catch (RuntimeException e) {
      log.debug("{} is not told that nobody waits any more", to, e);
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
