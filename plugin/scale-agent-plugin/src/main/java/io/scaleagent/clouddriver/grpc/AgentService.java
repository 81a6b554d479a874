// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import io.scaleagent.clouddriver.protocol.AgentStream;
import io.scaleagent.clouddriver.protocol.Client;
import io.scaleagent.clouddriver.protocol.Engine;
import io.scaleagent.clouddriver.protocol.StreamSink;
import io.scaleagent.proto.v1.AgentMessage;
import io.scaleagent.proto.v1.PluginMessage;
import io.scaleagent.proto.v1.ScaleAgentGrpc;
import java.io.IOException;
import java.io.InputStream;

/** The gRPC service: each call of Connect becomes a stream of the engine. */
final class AgentService {
  private final Engine engine;

  AgentService(Engine engine) {
    this.engine = engine;
  }

  /**
   * Messages come as bytes, so that one that can't be decoded gets the protocol's answer, and not
   * the library's.
   */
  ServerServiceDefinition definition() {
    MethodDescriptor<AgentMessage, PluginMessage> typed = ScaleAgentGrpc.getConnectMethod();
    MethodDescriptor<byte[], PluginMessage> method =
        typed.toBuilder(new Bytes(), typed.getResponseMarshaller()).build();
    return ServerServiceDefinition.builder(ScaleAgentGrpc.SERVICE_NAME)
        .addMethod(method, ServerCalls.asyncBidiStreamingCall(this::connect))
        .build();
  }

  private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      throw new UnsupportedOperationException("a server only reads requests");
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (IOException e) {
        throw Status.INTERNAL
            .withDescription("a message can't be read")
            .withCause(e)
            .asRuntimeException();
      }
    }
  }

  private StreamObserver<byte[]> connect(StreamObserver<PluginMessage> responses) {
    ServerCallStreamObserver<PluginMessage> out =
        (ServerCallStreamObserver<PluginMessage>) responses;
    Client client = ConnectGuard.CLIENT.get();
    Sink sink = new Sink(out);
    AgentStream stream = engine.open(client, sink);
    out.setOnCancelHandler(() -> stream.broken("its connection ended"));
    return new StreamObserver<>() {
      @Override
      public void onNext(byte[] bytes) {
        AgentMessage m;
        try {
          m = AgentMessage.parseFrom(bytes);
        } catch (InvalidProtocolBufferException e) {
          stream.malformed("what came is no AgentMessage");
          return;
        }
        stream.message(m);
      }

      @Override
      public void onError(Throwable t) {
        stream.broken(String.valueOf(t.getMessage()));
      }

      @Override
      public void onCompleted() {
        stream.halfClosed();
      }
    };
  }

  /** The engine calls it by one thread at a time. */
  private static final class Sink implements StreamSink {
    private final ServerCallStreamObserver<PluginMessage> out;
    private boolean over;

    Sink(ServerCallStreamObserver<PluginMessage> out) {
      this.out = out;
    }

    @Override
    public void send(PluginMessage message) {
      if (!over && !out.isCancelled()) {
        out.onNext(message);
      }
    }

    @Override
    public void complete() {
      if (!over && !out.isCancelled()) {
        over = true;
        out.onCompleted();
      }
    }
  }
}
