// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.StreamObserver;
import io.scaleagent.clouddriver.grpc.AgentServer;
import io.scaleagent.clouddriver.grpc.GrpcSettings;
import io.scaleagent.clouddriver.host.AgentOperationException;
import io.scaleagent.clouddriver.host.OutcomeUnknownException;
import io.scaleagent.clouddriver.peers.CarrierException;
import io.scaleagent.clouddriver.protocol.AccountPolicy;
import io.scaleagent.clouddriver.protocol.Engine;
import io.scaleagent.clouddriver.protocol.EngineSettings;
import io.scaleagent.clouddriver.protocol.MemoryDatabase;
import io.scaleagent.clouddriver.protocol.MemoryRows;
import io.scaleagent.clouddriver.protocol.MemoryStore;
import io.scaleagent.clouddriver.protocol.ProtocolEvents;
import io.scaleagent.proto.v1.AccountMessage;
import io.scaleagent.proto.v1.AccountName;
import io.scaleagent.proto.v1.AccountOpen;
import io.scaleagent.proto.v1.Accounts;
import io.scaleagent.proto.v1.AgentMessage;
import io.scaleagent.proto.v1.Hello;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationResult;
import io.scaleagent.proto.v1.OperationResult.Code;
import io.scaleagent.proto.v1.PluginMessage;
import io.scaleagent.proto.v1.ScaleAgentGrpc;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** From Clouddriver's call to an agent at the other end of a real stream, and back. */
@Timeout(60)
class OperationStreamTest {
  private AgentServer server;
  private Engine engine;
  private ManagedChannel channel;
  private AccountCalls calls;

  @BeforeEach
  void start() throws IOException {
    GrpcSettings settings = new GrpcSettings();
    settings.getServer().setAddress("localhost");
    settings.getServer().setPort(0);
    MemoryDatabase db = new MemoryDatabase();
    engine =
        new Engine(
            new MemoryStore(db, "clouddriver-1"),
            new MemoryRows(db),
            AccountPolicy.ANY,
            ProtocolEvents.NONE,
            new EngineSettings());
    server = new AgentServer(settings, engine);
    engine.start();
    server.start();
    channel = NettyChannelBuilder.forAddress("localhost", server.port()).usePlaintext().build();
    Routes routes =
        new Routes(
            new StreamOperations(engine),
            (account, operation, timeout) ->
                CompletableFuture.failedFuture(new CarrierException("no agent anywhere", false)));
    OperationCaller caller = new OperationCaller(routes, 8_000, List.of());
    calls = new AccountCalls(caller, "prod", null, null, false);
  }

  @AfterEach
  void stop() {
    channel.shutdownNow();
    server.close();
    engine.close();
  }

  /** An agent with one account, whose worker has an instance. */
  private final class Agent implements StreamObserver<PluginMessage> {
    final BlockingQueue<PluginMessage> messages = new LinkedBlockingQueue<>();
    final StreamObserver<AgentMessage> out = ScaleAgentGrpc.newStub(channel).connect(this);

    Agent(int worker) throws InterruptedException {
      out.onNext(
          AgentMessage.newBuilder()
              .setHello(
                  Hello.newBuilder()
                      .setProtocol(1)
                      .setProtocolMin(1)
                      .setAgentId("agent")
                      .setInstance(ByteString.copyFrom(new byte[16])))
              .build());
      out.onNext(
          AgentMessage.newBuilder()
              .setAccounts(
                  Accounts.newBuilder()
                      .addAccounts(AccountName.newBuilder().setHandle(1).setName("prod")))
              .build());
      assertThat(next().hasHello()).isTrue();
      byte[] instance = new byte[16];
      instance[0] = (byte) worker;
      out.onNext(
          AgentMessage.newBuilder()
              .setAccount(1)
              .setAccountMessage(
                  AccountMessage.newBuilder()
                      .setOpen(AccountOpen.newBuilder().setInstance(ByteString.copyFrom(instance)))
                      .build()
                      .toByteString())
              .build());
      assertThat(next().hasAccountReply()).isTrue(); // Welcome
    }

    PluginMessage next() throws InterruptedException {
      PluginMessage m = messages.poll(10, TimeUnit.SECONDS);
      assertThat(m).as("something came").isNotNull();
      return m;
    }

    Operation operation() throws InterruptedException, InvalidProtocolBufferException {
      return Operation.parseFrom(next().getOperation());
    }

    void answer(Operation o, OperationResult.Builder r) {
      out.onNext(
          AgentMessage.newBuilder()
              .setAccount(1)
              .setOperationResult(r.setId(o.getId()).build().toByteString())
              .build());
    }

    @Override
    public void onNext(PluginMessage message) {
      messages.add(message);
    }

    @Override
    public void onError(Throwable t) {}

    @Override
    public void onCompleted() {}
  }

  private CompletableFuture<Void> scale() {
    return CompletableFuture.supplyAsync(
        () -> calls.scale(KubernetesKind.DEPLOYMENT, "default", "web", 3));
  }

  @Test
  void anObjectInPartsComesBack() throws Exception {
    Agent agent = new Agent(1);
    CompletableFuture<Object> got =
        CompletableFuture.supplyAsync(
            () -> calls.get(KubernetesKind.DEPLOYMENT, "default", "web").get("kind"));
    Operation o = agent.operation();
    assertThat(o.getGet().getObject().getName()).isEqualTo("web");
    assertThat(o.getTimeoutMs()).isBetween(1, 8_000);
    agent.answer(o, OperationResult.newBuilder().setBody(ByteString.copyFromUtf8("{\"kind\":")));
    agent.answer(
        o,
        OperationResult.newBuilder()
            .setBody(ByteString.copyFromUtf8("\"Deployment\"}"))
            .setOffset(8)
            .setCode(Code.OK)
            .setLast(true));
    assertThat(got.get(10, TimeUnit.SECONDS)).isEqualTo("Deployment");
  }

  @Test
  void aChangeWhoseStreamIsCutIsAskedForAgainOfTheSameWorker() throws Exception {
    Agent agent = new Agent(7);
    CompletableFuture<Void> done = scale();
    Operation o = agent.operation();
    agent.out.onError(new IOException("cut"));
    Agent again = new Agent(7);
    Operation second = again.operation();
    assertThat(second.getId()).isEqualTo(o.getId());
    assertThat(second.getInstance().byteAt(0)).isEqualTo((byte) 7);
    again.answer(second, OperationResult.newBuilder().setCode(Code.OK).setLast(true));
    done.get(10, TimeUnit.SECONDS);
  }

  @Test
  void anotherWorkerSaysThatItDoesNotKnow() throws Exception {
    Agent agent = new Agent(7);
    CompletableFuture<Void> done = scale();
    agent.operation();
    agent.out.onError(new IOException("cut"));
    Agent other = new Agent(8);
    Operation second = other.operation();
    assertThat(second.getInstance().byteAt(0)).isEqualTo((byte) 7);
    other.answer(
        second,
        OperationResult.newBuilder()
            .setCode(Code.UNKNOWN_OUTCOME)
            .setMessage("another worker had it")
            .setLast(true));
    assertThatThrownBy(() -> done.get(10, TimeUnit.SECONDS))
        .hasCauseExactlyInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("another worker had it");
  }

  @Test
  void withoutAnAgentItIsSaid() {
    assertThatThrownBy(() -> calls.scale(KubernetesKind.DEPLOYMENT, "default", "web", 3))
        .isExactlyInstanceOf(AgentOperationException.class)
        .hasMessageContaining("no agent anywhere");
  }
}
