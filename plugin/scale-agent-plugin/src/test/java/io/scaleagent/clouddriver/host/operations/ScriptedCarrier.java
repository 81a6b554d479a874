// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.scaleagent.clouddriver.peers.CarrierException;
import io.scaleagent.clouddriver.peers.OperationCarrier;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationResult;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Answers operations by a script, and keeps what it was asked. */
final class ScriptedCarrier implements OperationCarrier {
  final List<Operation> asked = new ArrayList<>();
  final List<CompletableFuture<List<byte[]>>> given = new ArrayList<>();
  private final Deque<CompletableFuture<List<byte[]>>> answers = new ArrayDeque<>();

  ScriptedCarrier answers(OperationResult.Builder... parts) {
    List<byte[]> bytes = new ArrayList<>();
    for (OperationResult.Builder part : parts) {
      bytes.add(part.build().toByteArray());
    }
    answers.add(CompletableFuture.completedFuture(bytes));
    return this;
  }

  ScriptedCarrier answers(OperationResult.Code code, String message) {
    return answers(OperationResult.newBuilder().setCode(code).setMessage(message).setLast(true));
  }

  ScriptedCarrier says(String body) {
    return answers(
        OperationResult.newBuilder()
            .setCode(OperationResult.Code.OK)
            .setBody(ByteString.copyFromUtf8(body))
            .setLast(true));
  }

  ScriptedCarrier loses(String how, boolean begun) {
    answers.add(CompletableFuture.failedFuture(new CarrierException(how, begun)));
    return this;
  }

  /** One that never ends. */
  ScriptedCarrier isSilent() {
    answers.add(new CompletableFuture<>());
    return this;
  }

  @Override
  public synchronized CompletableFuture<List<byte[]>> run(
      String account, byte[] operation, Duration timeout) {
    if (!account.equals("prod") || timeout.isZero() || timeout.isNegative()) {
      throw new AssertionError(account + " " + timeout);
    }
    try {
      asked.add(Operation.parseFrom(operation));
    } catch (InvalidProtocolBufferException e) {
      throw new AssertionError(e);
    }
    // The last one again and again, so that a test sees how often it was asked.
    CompletableFuture<List<byte[]>> answer =
        answers.size() > 1 ? answers.remove() : answers.element();
    given.add(answer);
    return answer;
  }

  Operation only() {
    if (asked.size() != 1) {
      throw new AssertionError(asked.size() + " operations were sent");
    }
    return asked.get(0);
  }
}
