// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.scaleagent.clouddriver.host.AgentOperationException;
import io.scaleagent.clouddriver.host.OutcomeUnknownException;
import io.scaleagent.clouddriver.peers.CarrierException;
import io.scaleagent.clouddriver.peers.OperationCarrier;
import io.scaleagent.clouddriver.protocol.OperationTraits;
import io.scaleagent.proto.v1.ObjectName;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationResult;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Sends operations and waits for what comes of them, within a time limit. What surely was not begun
 * is sent again for a moment, so that an agent that connects anew goes unnoticed. What only reads
 * is begun a second time if it was lost. Of what may have changed something the same worker is
 * asked once more, by the same id, which it does not do twice; another worker says that it does not
 * know. Called by many threads.
 */
public final class OperationCaller {
  /** How long an agent that is not connected is waited for. */
  private static final long CONNECT_MILLIS = 2_000;

  private static final long PAUSE_MILLIS = 200;

  /** The worker that it was sent to, whichever that was: the stream's side knows. */
  private static final ByteString SAME_WORKER = ByteString.copyFrom(new byte[16]);

  /** A carrier ends in time by itself; this is for one that has a defect. */
  private static final long GRACE_MILLIS = 5_000;

  private final OperationCarrier carrier;
  private final long waitMillis;
  private final List<OperationRecord.Listener> listeners;
  private final SecureRandom random = new SecureRandom();

  /**
   * @param waitMillis the time limit of each operation
   */
  public OperationCaller(
      OperationCarrier carrier, long waitMillis, List<OperationRecord.Listener> listeners) {
    this.carrier = carrier;
    this.waitMillis = waitMillis;
    this.listeners = List.copyOf(listeners);
  }

  /** An operation under way. */
  private final class Call {
    final String account;
    final ObjectName object;
    final boolean changes;
    final long began = System.nanoTime();
    Operation operation;
    boolean again; // it was begun before
    String lost; // how that was lost

    Call(String account, Operation operation, ObjectName object) {
      this.account = account;
      this.object = object;
      this.changes = OperationTraits.changes(operation);
      this.operation = named(operation);
    }

    long millis() {
      return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
    }

    void ended(String result, OperationResult r, String message) {
      OperationRecord record =
          new OperationRecord(
              account,
              operation,
              object,
              result,
              message,
              r.getUid(),
              r.getResourceVersion(),
              millis(),
              r.getServerMs());
      listeners.forEach(l -> l.ended(record));
    }

    AgentOperationException lost(String how, boolean begun) {
      boolean unknown = (begun || lost != null) && changes;
      String message = "account " + account + ": " + (lost == null ? "" : lost + "; then ") + how;
      if (unknown) {
        message +=
            ". It is not known whether the operation was done (id "
                + HexText.of(operation.getId())
                + ")";
      }
      ended(OperationRecord.LOST, OperationResult.getDefaultInstance(), message);
      return unknown ? new OutcomeUnknownException(message) : new AgentOperationException(message);
    }
  }

  private Operation named(Operation operation) {
    byte[] id = new byte[16];
    random.nextBytes(id);
    return operation.toBuilder().setId(ByteString.copyFrom(id)).build();
  }

  /**
   * @param operation without an id
   * @param object that it is about, for the audit; a kind alone, or nothing, where it is about
   *     several
   * @return what the agent says of it, good or bad
   * @throws AgentOperationException if no agent said anything
   */
  OperationResult call(String account, Operation operation, ObjectName object) {
    Call call = new Call(account, operation, object);
    while (true) {
      try {
        OperationResult r = run(call);
        if (r.getCode() == OperationResult.Code.UNAVAILABLE && call.lost != null) {
          throw call.lost(r.getMessage(), true); // nothing was begun now, but perhaps then
        }
        if (!again(call, r)) {
          call.ended(r.getCode().name(), r, r.getMessage());
          return r;
        }
      } catch (CarrierException e) {
        if (!again(call, e)) {
          throw call.lost(e.getMessage(), e.begun());
        }
      } catch (InterruptedException e) {
        throw interrupted(call, true);
      }
      try {
        Thread.sleep(PAUSE_MILLIS);
      } catch (InterruptedException e) {
        throw interrupted(call, false);
      }
    }
  }

  private static AgentOperationException interrupted(Call call, boolean begun) {
    Thread.currentThread().interrupt();
    return call.lost("whoever waited for its agent was interrupted", begun);
  }

  private OperationResult run(Call call) throws InterruptedException {
    long left = Math.max(1, waitMillis - call.millis());
    CompletableFuture<List<byte[]>> future =
        carrier.run(call.account, call.operation.toByteArray(), Duration.ofMillis(left));
    try {
      return whole(future.get(left + GRACE_MILLIS, TimeUnit.MILLISECONDS));
    } catch (InterruptedException e) {
      future.cancel(true);
      throw e;
    } catch (ExecutionException e) {
      if (e.getCause() instanceof CarrierException) {
        throw (CarrierException) e.getCause();
      }
      throw new CarrierException("an internal error: " + e.getCause(), true, e.getCause());
    } catch (TimeoutException e) {
      future.cancel(true);
      throw new CarrierException("nothing came for " + call.millis() + " ms", true, e);
    }
  }

  private static OperationResult whole(List<byte[]> parts) {
    try {
      if (parts.size() == 1) {
        return OperationResult.parseFrom(parts.get(0));
      }
      ByteString body = ByteString.EMPTY;
      OperationResult last = OperationResult.getDefaultInstance();
      for (byte[] part : parts) {
        last = OperationResult.parseFrom(part);
        body = body.concat(last.getBody());
      }
      return last.toBuilder().setBody(body).setOffset(0).build();
    } catch (InvalidProtocolBufferException e) {
      throw new CarrierException("its result can't be read", true, e);
    }
  }

  /** A worker that was about to stop did nothing: the next one may. */
  private boolean again(Call call, OperationResult r) {
    boolean useful = r.getCode() == OperationResult.Code.UNAVAILABLE && r.getRetriable();
    if (!useful || call.again || !timeLeft(call)) {
      return false;
    }
    call.again = true;
    call.operation = named(call.operation);
    return true;
  }

  private boolean again(Call call, CarrierException e) {
    if (!timeLeft(call)) {
      return false;
    }
    if (!e.begun()) {
      return call.again || call.millis() < CONNECT_MILLIS;
    }
    if (call.again) {
      return false;
    }
    call.again = true;
    if (call.changes) {
      call.lost = e.getMessage();
      call.operation = call.operation.toBuilder().setInstance(SAME_WORKER).build();
    } else {
      call.operation = named(call.operation);
    }
    return true;
  }

  private boolean timeLeft(Call call) {
    return call.millis() + 2 * PAUSE_MILLIS < waitMillis;
  }
}
