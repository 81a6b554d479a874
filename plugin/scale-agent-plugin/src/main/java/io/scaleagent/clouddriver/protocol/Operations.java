// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.protocol;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationCancel;
import io.scaleagent.proto.v1.OperationResult;
import io.scaleagent.proto.v1.PluginMessage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The operations that an account's worker was given over one stream and that nobody has got an
 * answer of yet. Each ends once: by its result, by its time, by whoever waits, or with the worker.
 * Called by many threads, and never with the account's lock held, which is taken after its own.
 */
final class Operations {
  private static final Logger log = LoggerFactory.getLogger(Operations.class);

  /** Ids that are remembered after everybody has given them up, so that their end is logged. */
  private static final int GIVEN_UP = 256;

  /** Where operations of an account go, and what they need of its epoch. */
  interface Worker {
    /** For people: the agent. */
    String agent();

    void send(PluginMessage.Builder message);

    /** AccountOpen.instance of the one that is there now. */
    ByteString instance();

    /** Whether the changes of that epoch up to the sequence are still to be committed. */
    boolean uncommitted(long epoch, long sequence);
  }

  private static final class Pending {
    final Operation operation;
    final CompletableFuture<OperationResult> answer = new CompletableFuture<>();
    final long sent = System.nanoTime();
    final ByteString worker;
    Future<?> timeout;
    ByteString body = ByteString.EMPTY;
    OperationResult result; // that waits for its changes to be committed

    Pending(Operation operation, ByteString worker) {
      this.operation = operation;
      this.worker = worker;
    }

    long millis() {
      return (System.nanoTime() - sent) / 1_000_000;
    }
  }

  private final Engine engine;
  private final String account;
  private final Worker worker;
  private final Map<ByteString, Pending> pending = new HashMap<>();
  private final Map<ByteString, String> givenUp =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<ByteString, String> eldest) {
          return size() > GIVEN_UP;
        }
      };
  private boolean closed = true; // no worker is there
  private volatile boolean committing; // a result waits for a commit

  Operations(Engine engine, String account, Worker worker) {
    this.engine = engine;
    this.account = account;
    this.worker = worker;
  }

  /**
   * Sends it.
   *
   * @param millis until it is given up
   * @return completed by whichever thread ends it, often the stream's: what follows must not wait
   */
  CompletableFuture<OperationResult> begin(Operation operation, long millis) {
    Pending p = new Pending(operation, worker.instance());
    ByteString id = operation.getId();
    synchronized (this) {
      String refusal =
          closed
              ? worker.agent() + " has no worker of account " + account + " at this moment"
              : pending.containsKey(id) ? "an operation of the same id is under way" : null;
      if (refusal != null) {
        return CompletableFuture.failedFuture(new OperationLostException(refusal, false));
      }
      pending.put(id, p);
      p.timeout = engine.later(millis, () -> expire(id, millis));
    }
    p.answer.whenComplete((r, t) -> over(id, p.answer.isCancelled()));
    worker.send(PluginMessage.newBuilder().setOperation(operation.toByteString()));
    return p.answer;
  }

  /** Whoever waited for it has cancelled the future, or it is answered. */
  private void over(ByteString id, boolean cancelled) {
    Pending p;
    synchronized (this) {
      p = remove(id, cancelled);
    }
    if (p != null && cancelled) {
      cancel(id);
    }
  }

  private Pending remove(ByteString id, boolean unanswered) {
    Pending p = pending.remove(id);
    if (p != null) {
      p.timeout.cancel(false);
      engine.resultBytes(-p.body.size());
      if (unanswered && p.result == null) {
        givenUp.put(id, p.operation.getName());
      }
    }
    return p;
  }

  private void cancel(ByteString id) {
    worker.send(
        PluginMessage.newBuilder()
            .setOperationCancel(OperationCancel.newBuilder().setId(id).build().toByteString()));
  }

  private void expire(ByteString id, long millis) {
    Pending p;
    synchronized (this) {
      p = remove(id, true);
    }
    if (p == null) {
      return;
    }
    if (p.result != null) {
      p.answer.complete(p.result); // its changes are not committed in time, but it is done
      return;
    }
    cancel(id);
    p.answer.completeExceptionally(
        new OperationLostException(worker.agent() + " did not answer in " + millis + " ms", true));
  }

  // ---- results ----

  /**
   * A part of a result.
   *
   * @throws Violation if it is none
   */
  void part(ByteString bytes) {
    OperationResult r;
    try {
      r = OperationResult.parseFrom(bytes);
    } catch (InvalidProtocolBufferException e) {
      throw new Violation("what came is no OperationResult");
    }
    Pending done;
    OperationResult result;
    synchronized (this) {
      Pending p = pending.get(r.getId());
      if (p == null) {
        late(r);
        return;
      }
      result = add(p, r);
      if (result == null) {
        return;
      }
      p.result = result;
      if (waits(r.getId(), p)) {
        return;
      }
      done = remove(r.getId(), false);
    }
    done.answer.complete(result);
  }

  /** The whole result once it is there; null before. */
  private OperationResult add(Pending p, OperationResult r) {
    if (p.result != null) {
      throw new Violation("a part of a result came after its last");
    }
    if (r.getOffset() != p.body.size()) {
      throw new Violation(
          "a part of a result begins at " + r.getOffset() + ", after " + p.body.size() + " bytes");
    }
    if (p.body.size() + (long) r.getBody().size() > Limits.RESULT_BYTES
        || !engine.resultBytes(r.getBody().size())) {
      cancel(r.getId());
      return r.toBuilder()
          .clearBody()
          .setOffset(0)
          .setLast(true)
          .setCode(
              OperationTraits.changes(p.operation)
                  ? OperationResult.Code.UNKNOWN_OUTCOME
                  : OperationResult.Code.TOO_LARGE)
          .setMessage("the result is larger than Clouddriver takes from agents at this time")
          .build();
    }
    p.body = p.body.concat(r.getBody());
    return r.getLast() ? r.toBuilder().setBody(p.body).setOffset(0).build() : null;
  }

  /** Nobody waits for it any more; how it ended is said all the same. */
  private void late(OperationResult r) {
    String name = r.getLast() ? givenUp.remove(r.getId()) : null;
    if (name != null) {
      log.info(
          "account {}: operation {} ({}), which nobody waited for any more, ended: {} {}",
          account,
          Messages.hex(r.getId()),
          name,
          r.getCode(),
          r.getUid());
    }
  }

  // ---- commits ----

  /** Whether the result has to wait until what the operation changed is committed. */
  private boolean waits(ByteString id, Pending p) {
    if (p.result.getEpoch() == 0
        || !worker.uncommitted(p.result.getEpoch(), p.result.getSequence())) {
      return false;
    }
    committing = true;
    engine.later(Limits.COMMIT_MILLIS, () -> give(id, p));
    return true;
  }

  private void give(ByteString id, Pending p) {
    boolean given;
    synchronized (this) {
      given = pending.get(id) == p && remove(id, false) != null;
    }
    if (given) {
      p.answer.complete(p.result);
    }
  }

  /** Whether something waits for a commit. May be called with the account's lock held. */
  boolean committing() {
    return committing;
  }

  /** Something was committed, or the epoch is over. */
  void committed() {
    List<Pending> done = new ArrayList<>();
    synchronized (this) {
      if (!committing) {
        return;
      }
      committing = false;
      for (Pending p : new ArrayList<>(pending.values())) {
        if (p.result == null) {
          continue;
        }
        if (worker.uncommitted(p.result.getEpoch(), p.result.getSequence())) {
          committing = true;
        } else {
          done.add(remove(p.operation.getId(), false));
        }
      }
    }
    done.forEach(p -> p.answer.complete(p.result));
  }

  // ---- the end ----

  /** Another worker has come; what the one before it was given is lost. */
  void worker() {
    lost("the account's worker was started anew", false);
  }

  /** The worker, or the way to it, is gone. */
  void lost(String how) {
    lost(how, true);
  }

  private void lost(String how, boolean forNow) {
    List<Pending> all;
    synchronized (this) {
      closed = forNow;
      all = new ArrayList<>(pending.values());
      all.forEach(p -> remove(p.operation.getId(), false));
    }
    for (Pending p : all) {
      if (p.result != null) {
        p.answer.complete(p.result);
      } else {
        engine.lost(p.operation.getId(), p.worker);
        p.answer.completeExceptionally(
            new OperationLostException(
                how + " " + p.millis() + " ms after the operation was sent", true));
      }
    }
  }
}
