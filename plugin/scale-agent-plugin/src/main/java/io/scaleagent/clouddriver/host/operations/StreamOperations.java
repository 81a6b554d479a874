// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import com.google.protobuf.InvalidProtocolBufferException;
import io.scaleagent.clouddriver.peers.CarrierException;
import io.scaleagent.clouddriver.peers.LocalOperations;
import io.scaleagent.clouddriver.protocol.Engine;
import io.scaleagent.clouddriver.protocol.OperationLostException;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationResult;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Operations over the streams of the agents that are connected here. */
public final class StreamOperations implements LocalOperations {
  private final Engine engine;

  public StreamOperations(Engine engine) {
    this.engine = engine;
  }

  @Override
  public boolean has(String account) {
    return engine.serves(account);
  }

  @Override
  public CompletableFuture<List<byte[]>> run(String account, byte[] operation, Duration timeout) {
    CompletableFuture<OperationResult> answer;
    try {
      answer = engine.operate(account, Operation.parseFrom(operation), timeout.toMillis());
    } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
      return CompletableFuture.failedFuture(
          new CarrierException("it is no operation: " + e.getMessage(), false, e));
    }
    CompletableFuture<List<byte[]>> parts = new CompletableFuture<>();
    answer.whenComplete((r, thrown) -> finish(parts, r, thrown));
    parts.whenComplete(
        (r, thrown) -> {
          if (parts.isCancelled()) {
            answer.cancel(false);
          }
        });
    return parts;
  }

  private static void finish(
      CompletableFuture<List<byte[]>> parts, OperationResult r, Throwable thrown) {
    if (thrown == null) {
      parts.complete(List.of(r.toByteArray()));
    } else if (thrown instanceof OperationLostException) {
      boolean begun = ((OperationLostException) thrown).begun();
      parts.completeExceptionally(new CarrierException(thrown.getMessage(), begun));
    } else {
      parts.completeExceptionally(
          new CarrierException("an internal error: " + thrown, true, thrown));
    }
  }
}
