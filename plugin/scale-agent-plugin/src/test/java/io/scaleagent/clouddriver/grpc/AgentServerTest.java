// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder;
import io.scaleagent.clouddriver.Logged;
import io.scaleagent.clouddriver.protocol.AccountPolicy;
import io.scaleagent.clouddriver.protocol.Engine;
import io.scaleagent.clouddriver.protocol.EngineSettings;
import io.scaleagent.clouddriver.protocol.MemoryDatabase;
import io.scaleagent.clouddriver.protocol.MemoryRows;
import io.scaleagent.clouddriver.protocol.MemoryStore;
import io.scaleagent.clouddriver.protocol.ProtocolEvents;
import io.scaleagent.proto.v1.AgentMessage;
import io.scaleagent.proto.v1.Goodbye;
import io.scaleagent.proto.v1.Hello;
import io.scaleagent.proto.v1.PluginMessage;
import io.scaleagent.proto.v1.ScaleAgentGrpc;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who gets in by which settings, and what is said to whom does not. */
class AgentServerTest {
  @TempDir static Path scratch;
  private static Certificates certificates;
  private final List<AgentServer> servers = new ArrayList<>();
  private final List<ManagedChannel> channels = new ArrayList<>();

  @BeforeAll
  static void makeCertificates() {
    certificates = new Certificates(scratch);
  }

  @AfterEach
  void close() {
    channels.forEach(ManagedChannel::shutdownNow);
    servers.forEach(AgentServer::close);
  }

  private static Engine engine() {
    MemoryDatabase db = new MemoryDatabase();
    return new Engine(
        new MemoryStore(db, "clouddriver-1"),
        new MemoryRows(db),
        AccountPolicy.ANY,
        ProtocolEvents.NONE,
        new EngineSettings());
  }

  private AgentServer server(GrpcSettings settings) throws IOException {
    settings.getServer().setAddress("localhost");
    settings.getServer().setPort(0);
    Engine engine = engine();
    AgentServer s = new AgentServer(settings, engine);
    servers.add(s);
    engine.start();
    s.start();
    return s;
  }

  private ManagedChannel plain(AgentServer s) {
    ManagedChannel c = NettyChannelBuilder.forAddress("localhost", s.port()).usePlaintext().build();
    channels.add(c);
    return c;
  }

  /**
   * @param name of the client's certificate, or null for none
   */
  private ManagedChannel tls(AgentServer s, String name, String... protocols) throws SSLException {
    SslContextBuilder b = GrpcSslContexts.forClient().trustManager(certificates.ca().toFile());
    if (name != null) {
      b.keyManager(certificates.cert(name).toFile(), certificates.key(name).toFile());
    }
    if (protocols.length > 0) {
      b.protocols(protocols);
    }
    ManagedChannel c =
        NettyChannelBuilder.forAddress("localhost", s.port()).sslContext(b.build()).build();
    channels.add(c);
    return c;
  }

  /** A call of Connect that says bytes, and what came of it. */
  private static final class Call extends ClientCall.Listener<PluginMessage> {
    final BlockingQueue<PluginMessage> messages = new LinkedBlockingQueue<>();
    final BlockingQueue<Status> end = new LinkedBlockingQueue<>();
    final ClientCall<byte[], PluginMessage> call;

    Call(ManagedChannel channel, String token) {
      MethodDescriptor<AgentMessage, PluginMessage> m = ScaleAgentGrpc.getConnectMethod();
      call =
          channel.newCall(
              m.toBuilder(new Raw(), m.getResponseMarshaller()).build(), CallOptions.DEFAULT);
      Metadata headers = new Metadata();
      if (token != null) {
        headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), token);
      }
      call.start(this, headers);
      call.request(100);
    }

    Call hello(int version) {
      return say(
          AgentMessage.newBuilder()
              .setHello(
                  Hello.newBuilder()
                      .setProtocol(version)
                      .setProtocolMin(version)
                      .setAgentId("agent")
                      .setInstance(ByteString.copyFrom(new byte[16])))
              .build()
              .toByteArray());
    }

    Call say(byte[] bytes) {
      call.sendMessage(bytes);
      return this;
    }

    @Override
    public void onMessage(PluginMessage message) {
      messages.add(message);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      end.add(status);
    }

    PluginMessage message() {
      return take(messages);
    }

    Status status() {
      return take(end);
    }

    private static <T> T take(BlockingQueue<T> queue) {
      try {
        T t = queue.poll(10, TimeUnit.SECONDS);
        assertThat(t).as("it came").isNotNull();
        return t;
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private static final class Raw implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      throw new UnsupportedOperationException();
    }
  }

  private static void welcome(ManagedChannel channel) {
    Call c = new Call(channel, null).hello(1);
    assertThat(c.message().hasHello()).isTrue();
    c.call.halfClose();
    assertThat(c.status().isOk()).isTrue();
  }

  // ---- the settings ----

  @Test
  void plainTextIsTheDefault() throws IOException {
    assertThat(new GrpcSettings().getServer().getPort()).isEqualTo(9091);
    welcome(plain(server(new GrpcSettings())));
  }

  @Test
  void healthIsServedUnlessSwitchedOff() throws IOException {
    HealthCheckRequest ask =
        HealthCheckRequest.newBuilder().setService("scaleagent.v1.ScaleAgent").build();
    GrpcSettings token = new GrpcSettings();
    token.getAuth().setToken("secret");
    ManagedChannel c = plain(server(token));
    assertThat(HealthGrpc.newBlockingStub(c).check(ask).getStatus())
        .as("probes need no token")
        .isEqualTo(HealthCheckResponse.ServingStatus.SERVING);
    assertThat(
            HealthGrpc.newBlockingStub(c)
                .check(HealthCheckRequest.getDefaultInstance())
                .getStatus())
        .isEqualTo(HealthCheckResponse.ServingStatus.SERVING);
    GrpcSettings off = new GrpcSettings();
    off.getServer().setHealthServiceEnabled(false);
    ManagedChannel d = plain(server(off));
    assertThatThrownBy(() -> HealthGrpc.newBlockingStub(d).check(ask))
        .hasMessageContaining("UNIMPLEMENTED");
  }

  @Test
  void whatCanNotBeHonouredIsNamed() {
    GrpcSettings noCertificate = new GrpcSettings();
    noCertificate.getServer().getSecurity().setEnabled(true);
    assertThatThrownBy(() -> new AgentServer(noCertificate, engine()))
        .isInstanceOf(SettingsException.class)
        .hasMessageContaining("kubesvc.grpc.server.security.certificateChain is missing");
    GrpcSettings notThere = certificates.server();
    notThere.getServer().getSecurity().setPrivateKey("file:/nowhere/key.pem");
    assertThatThrownBy(() -> new AgentServer(notThere, engine()))
        .hasMessageContaining("/nowhere/key.pem can't be read");
    GrpcSettings noKey = certificates.server();
    noKey.getServer().getSecurity().setPrivateKey(certificates.ca().toString());
    assertThatThrownBy(() -> new AgentServer(noKey, engine()))
        .isInstanceOf(SettingsException.class);
    GrpcSettings size = new GrpcSettings();
    size.getServer().setMaxInboundMessageSize("4 parsecs");
    assertThatThrownBy(() -> new AgentServer(size, engine()))
        .hasMessageContaining("\"4 parsecs\" is no size");
    GrpcSettings nobody = new GrpcSettings();
    nobody.getAuth().getX509().setEnabled(true);
    assertThatThrownBy(() -> new AgentServer(nobody, engine()))
        .hasMessageContaining("filters is empty");
    GrpcSettings broken = new GrpcSettings();
    broken.getAuth().getX509().setEnabled(true);
    broken.getAuth().getX509().setFilters(List.of("CN=("));
    assertThatThrownBy(() -> new AgentServer(broken, engine()))
        .hasMessageContaining("filters[0] is no regular expression");
  }

  @Test
  void aPortThatIsInUseIsSaid() throws IOException {
    AgentServer first = server(new GrpcSettings());
    GrpcSettings same = new GrpcSettings();
    same.getServer().setAddress("localhost");
    same.getServer().setPort(first.port());
    AgentServer second = new AgentServer(same, engine());
    assertThatThrownBy(second::start)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("" + first.port());
  }

  @Test
  void sizesAreThoseOfSpring() {
    assertThat(ByteSize.parse("k", "4MB")).isEqualTo(4 << 20);
    assertThat(ByteSize.parse("k", "512 kb")).isEqualTo(512 << 10);
    assertThat(ByteSize.parse("k", "100")).isEqualTo(100);
    assertThatThrownBy(() -> ByteSize.parse("k", "0")).isInstanceOf(SettingsException.class);
    assertThatThrownBy(() -> ByteSize.parse("k", "4GB")).isInstanceOf(SettingsException.class);
    assertThatThrownBy(() -> ByteSize.parse("k", null)).isInstanceOf(SettingsException.class);
  }

  // ---- who gets in ----

  @Test
  void theTokenIsChecked() throws IOException {
    GrpcSettings s = new GrpcSettings();
    s.getAuth().setToken("secret");
    ManagedChannel c = plain(server(s));
    Call right = new Call(c, "Bearer secret").hello(1);
    assertThat(right.message().hasHello()).isTrue();
    for (String wrong :
        new String[] {
          null, "", "Bearer ", "Bearer secre", "Bearer secret ", "secret", "Basic secret"
        }) {
      Status status = new Call(c, wrong).hello(1).status();
      assertThat(status.getCode()).as(wrong).isEqualTo(Status.Code.UNAUTHENTICATED);
      assertThat(status.getDescription()).contains("token").doesNotContain("secret");
    }
  }

  @Test
  void clientsWithoutACertificateAreTurnedAwayWhereOneIsRequired() throws IOException {
    GrpcSettings s = certificates.server();
    s.getServer().getSecurity().setClientAuth(GrpcSettings.ClientAuth.REQUIRE);
    AgentServer server = server(s);
    welcome(tls(server, "agent-1"));
    assertThat(new Call(tls(server, null), null).hello(1).status().getCode())
        .isEqualTo(Status.Code.UNAVAILABLE);
    assertThat(new Call(tls(server, "forged"), null).hello(1).status().getCode())
        .as("of another authority")
        .isEqualTo(Status.Code.UNAVAILABLE);
    assertThat(new Call(plain(server), null).hello(1).status().getCode())
        .isEqualTo(Status.Code.UNAVAILABLE);
    welcome(tls(server, "agent-1")); // the others cost it nothing
  }

  @Test
  void aHandshakeThatFailsIsSaidOfWhomAndWhy() throws Exception {
    GrpcSettings s = certificates.server();
    s.getServer().getSecurity().setClientAuth(GrpcSettings.ClientAuth.REQUIRE);
    AgentServer server = server(s);
    try (Logged log = new Logged(Listener.class.getName())) {
      new Call(tls(server, null), null).hello(1).status();
      long end = System.nanoTime() + 5_000_000_000L;
      while (log.texts().isEmpty() && System.nanoTime() < end) {
        Thread.sleep(10);
      }
      assertThat(log.texts()).hasSize(1);
      assertThat(log.texts().get(0))
          .matches(
              "client [^ ]*127\\.0\\.0\\.1:\\d+ is turned away, the TLS handshake failed: .*(?i)certificate.*");
      new Call(tls(server, "forged"), null).hello(1).status(); // the same host at once: not again
      welcome(tls(server, "agent-1"));
      assertThat(log.texts()).hasSize(1);
    }
    try (Logged log = new Logged(Listener.class.getName())) {
      AgentServer other = server(s);
      new Call(plain(other), null).hello(1).status();
      long end = System.nanoTime() + 5_000_000_000L;
      while (log.texts().isEmpty() && System.nanoTime() < end) {
        Thread.sleep(10);
      }
      assertThat(log.texts().get(0)).contains("not an SSL/TLS record");
    }
  }

  @Test
  void withoutClientAuthNobodyIsAsked() throws IOException {
    welcome(tls(server(certificates.server()), null));
  }

  @Test
  void subjectsAreFiltered() throws IOException {
    GrpcSettings s = certificates.server();
    s.getServer().getSecurity().setClientAuth(GrpcSettings.ClientAuth.OPTIONAL);
    s.getAuth().getX509().setEnabled(true);
    s.getAuth().getX509().setFilters(List.of("OU=other", "CN=agent-[0-9]"));
    AgentServer server = server(s);
    welcome(tls(server, "agent-1"));
    Status someone = new Call(tls(server, "someone"), null).hello(1).status();
    assertThat(someone.getCode()).isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(someone.getDescription()).contains("CN=someone");
    Status nobody = new Call(tls(server, null), null).hello(1).status();
    assertThat(nobody.getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
    assertThat(nobody.getDescription()).contains("certificate");
  }

  @Test
  void aKeyWithAPasswordIsRead() throws IOException {
    GrpcSettings s = certificates.server();
    s.getServer().getSecurity().setPrivateKey(certificates.key("locked").toString());
    s.getServer().getSecurity().setPrivateKeyPassword("secret");
    welcome(tls(server(s), null));
    s.getServer().getSecurity().setPrivateKeyPassword("wrong");
    assertThatThrownBy(() -> new AgentServer(s, engine()))
        .isInstanceOf(SettingsException.class)
        .satisfies(e -> assertThat(e.getMessage()).doesNotContain("wrong"));
  }

  @Test
  void protocolsAndCiphersAreThoseOfTheSettings() throws IOException {
    GrpcSettings s = certificates.server();
    s.getServer().getSecurity().setProtocols(List.of("TLSv1.2"));
    s.getServer().getSecurity().setCiphers(List.of("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"));
    AgentServer server = server(s);
    welcome(tls(server, null, "TLSv1.2"));
    assertThat(new Call(tls(server, null, "TLSv1.3"), null).hello(1).status().getCode())
        .isEqualTo(Status.Code.UNAVAILABLE);
  }

  // ---- what is said ----

  @Test
  void anotherVersionIsSentAwayByTheProtocol() throws IOException {
    Call c = new Call(plain(server(new GrpcSettings())), null).hello(7);
    Goodbye g = c.message().getGoodbye();
    assertThat(g.getCode()).isEqualTo(Goodbye.Code.INCOMPATIBLE);
    c.call.halfClose();
    assertThat(c.status().isOk()).isTrue();
  }

  @Test
  void aMessageThatIsTooLargeCostsItsStreamAlone() throws IOException {
    GrpcSettings s = new GrpcSettings();
    s.getServer().setMaxInboundMessageSize("64KB");
    ManagedChannel channel = plain(server(s));
    Call good = new Call(channel, null).hello(1);
    assertThat(good.message().hasHello()).isTrue();
    Call large = new Call(channel, null).say(new byte[70_000]);
    Status status = large.status();
    assertThat(status.getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    assertThat(status.getDescription()).contains("65536").contains("70000");
    good.call.halfClose();
    assertThat(good.status().isOk()).isTrue();
  }

  @Test
  void bytesThatAreNoMessageGetAGoodbye() throws IOException {
    Call c = new Call(plain(server(new GrpcSettings())), null).say(new byte[] {-1, -1, -1});
    assertThat(c.message().getGoodbye().getCode()).isEqualTo(Goodbye.Code.VIOLATION);
  }

  @Test
  void aServerThatClosesSaysGoodbye() throws Exception {
    AgentServer s = server(new GrpcSettings());
    Call c = new Call(plain(s), null).hello(1);
    assertThat(c.message().hasHello()).isTrue();
    Thread closing = new Thread(s::close, "close");
    closing.start();
    assertThat(c.message().getGoodbye().getCode()).isEqualTo(Goodbye.Code.SHUTDOWN);
    c.call.halfClose();
    assertThat(c.status().isOk()).isTrue();
    closing.join(10_000);
    assertThat(closing.isAlive()).isFalse();
  }
}
