// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The side that is asked. It does what only another Clouddriver may ask for, and only once. */
public final class PeerEndpoint {
  private static final Logger log = LoggerFactory.getLogger(PeerEndpoint.class);

  /** Where it is served. */
  public static final String PATH = "/scale-agent/peer";

  /** Longest request that is read. */
  public static final int REQUEST_BYTES = 32 << 20;

  /** How far a request's time may be from ours, both by the database's clock. */
  static final long WINDOW_MILLIS = 60_000;

  private final SharedSecret secret;
  private final Supplier<String> self;
  private final Supplier<LocalOperations> local;
  private final Predicate<String> disconnect;
  private final Map<String, Long> seen = new ConcurrentHashMap<>();
  private final Map<String, CompletableFuture<?>> running = new ConcurrentHashMap<>();
  private long swept;

  /** What goes back over HTTP. */
  public static final class Reply {
    private final int status;
    private final byte[] body;
    private final String reason;

    private Reply(int status, byte[] body, String reason) {
      this.status = status;
      this.body = body;
      this.reason = reason;
    }

    public int status() {
      return status;
    }

    /** Sealed; null if {@link #reason} is said in plain text instead. */
    public byte[] body() {
      return body;
    }

    public String reason() {
      return reason;
    }
  }

  /**
   * @param self id of this Clouddriver at this moment
   * @param local gives null as long as there is none
   * @param disconnect ends the stream of an agent here; false if it is not connected
   */
  public PeerEndpoint(
      SharedSecret secret,
      Supplier<String> self,
      Supplier<LocalOperations> local,
      Predicate<String> disconnect) {
    this.secret = secret;
    this.self = self;
    this.local = local;
    this.disconnect = disconnect;
  }

  /**
   * Answers a request.
   *
   * @param from who asks, for people
   * @return never fails
   */
  public CompletableFuture<Reply> handle(byte[] request, String from) {
    Call call;
    Seal seal;
    Seal.Head head;
    try {
      head = Seal.head(request);
      seal = new Seal(secret.secret());
      byte[] plain = open(seal, request);
      once(head);
      call = Call.decode(plain);
    } catch (Seal.BrokenException | IOException e) {
      log.warn("A call of {} as if of another Clouddriver is refused: {}", from, e.getMessage());
      return CompletableFuture.completedFuture(new Reply(401, null, e.getMessage()));
    } catch (RuntimeException e) {
      log.warn("A call of another Clouddriver at {} can't be taken", from, e);
      return CompletableFuture.completedFuture(new Reply(503, null, "it can't be taken now"));
    }
    return perform(call, hex(head.id))
        .handle((parts, thrown) -> thrown == null ? Call.answer(parts) : failure(thrown))
        .thenApply(plain -> new Reply(200, seal.response(head.id, plain), null))
        .exceptionally(
            thrown -> {
              log.error("An answer to another Clouddriver at {} can't be made", from, thrown);
              return new Reply(500, null, "what was asked has ended, but its answer can't be made");
            });
  }

  private byte[] open(Seal seal, byte[] request) throws Seal.BrokenException {
    try {
      return seal.openRequest(request, self.get());
    } catch (Seal.BrokenException e) {
      secret.refresh();
      throw e;
    }
  }

  private void once(Seal.Head head) throws Seal.BrokenException {
    long now = secret.now();
    if (Math.abs(now - head.millis) > WINDOW_MILLIS) {
      throw new Seal.BrokenException(
          "it was made " + (now - head.millis) / 1000 + " s ago by the database's clock");
    }
    if (seen.putIfAbsent(hex(head.id), head.millis) != null) {
      throw new Seal.BrokenException("it has come before");
    }
    sweep(now);
  }

  private synchronized void sweep(long now) {
    if (now - swept > WINDOW_MILLIS) {
      swept = now;
      seen.values().removeIf(then -> now - then > 2 * WINDOW_MILLIS);
    }
  }

  private CompletableFuture<List<byte[]>> perform(Call call, String id) {
    try {
      return start(call, id);
    } catch (RuntimeException e) {
      return CompletableFuture.failedFuture(e);
    }
  }

  private CompletableFuture<List<byte[]>> start(Call call, String id) {
    switch (call.what) {
      case OPERATION:
        return operation(call, id);
      case CANCEL:
        CompletableFuture<?> of = running.get(call.about);
        if (of != null) {
          of.cancel(false);
        }
        return CompletableFuture.completedFuture(List.of());
      default:
        return disconnect.test(call.about)
            ? CompletableFuture.completedFuture(List.of())
            : CompletableFuture.failedFuture(
                new CarrierException(
                    "agent " + call.about + " has just gone from this Clouddriver", false));
    }
  }

  private CompletableFuture<List<byte[]>> operation(Call call, String id) {
    LocalOperations to = local.get();
    if (to == null) {
      return CompletableFuture.failedFuture(
          new CarrierException("this Clouddriver does not take operations yet", false));
    }
    CompletableFuture<List<byte[]>> result =
        to.run(call.about, call.body, Duration.ofMillis(Math.max(1, call.timeoutMillis)));
    running.put(id, result);
    result.whenComplete((parts, thrown) -> running.remove(id));
    return result;
  }

  private static byte[] failure(Throwable thrown) {
    Throwable cause =
        thrown instanceof CompletionException && thrown.getCause() != null
            ? thrown.getCause()
            : thrown;
    if (cause instanceof CarrierException) {
      return Call.failure((CarrierException) cause);
    }
    if (cause instanceof CancellationException) {
      return Call.failure(new CarrierException("it was cancelled", true));
    }
    log.error("An operation for another Clouddriver failed", cause);
    return Call.failure(new CarrierException("an internal error there: " + cause, true));
  }

  static String hex(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    for (byte b : bytes) {
      text.append(String.format("%02x", b));
    }
    return text.toString();
  }
}
