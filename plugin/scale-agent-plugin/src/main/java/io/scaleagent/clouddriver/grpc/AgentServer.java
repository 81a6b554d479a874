// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import io.grpc.Server;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.nio.NioEventLoopGroup;
import io.grpc.protobuf.services.HealthStatusManager;
import io.scaleagent.clouddriver.protocol.Engine;
import io.scaleagent.clouddriver.protocol.Threads;
import io.scaleagent.proto.v1.ScaleAgentGrpc;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The server on port 9091. Made with what it serves, then {@link #start}ed, then {@link #close}d,
 * each once.
 */
public final class AgentServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(AgentServer.class);
  private static final String KEY = "kubesvc.grpc.server.";

  private final Engine engine;
  private final GrpcSettings settings;
  private final ExecutorService streams =
      Executors.newCachedThreadPool(Threads.named("scale-agent-stream"));
  private final EventLoopGroup accept =
      new NioEventLoopGroup(1, Threads.named("scale-agent-accept"));
  private final EventLoopGroup network =
      new NioEventLoopGroup(2, Threads.named("scale-agent-network"));
  private final HealthStatusManager health = new HealthStatusManager();
  private final Server server;
  private final AtomicBoolean closed = new AtomicBoolean();

  /**
   * @throws SettingsException if the settings can't be honoured; nothing is left running
   */
  public AgentServer(GrpcSettings settings, Engine engine) {
    this.settings = settings;
    this.engine = engine;
    try {
      server = build();
    } catch (RuntimeException e) {
      stopThreads();
      throw e;
    }
  }

  private Server build() {
    GrpcSettings.Server s = settings.getServer();
    NettyServerBuilder b =
        NettyServerBuilder.forAddress(address(s))
            .channelFactory(Listener::new)
            .bossEventLoopGroup(accept)
            .workerEventLoopGroup(network)
            .executor(streams)
            .maxInboundMessageSize(
                ByteSize.parse(KEY + "maxInboundMessageSize", s.getMaxInboundMessageSize()))
            .permitKeepAliveTime(5, TimeUnit.SECONDS)
            .permitKeepAliveWithoutCalls(true);
    GrpcSettings.Security security = s.getSecurity();
    if (security.isEnabled()) {
      b.sslContext(Tls.context(security));
    }
    if (security.getKeepAliveHeartbeatSeconds() != null
        && security.getKeepAliveHeartbeatSeconds() > 0) {
      b.keepAliveTime(security.getKeepAliveHeartbeatSeconds(), TimeUnit.SECONDS);
      if (security.getKeepAliveTimeOutSeconds() != null
          && security.getKeepAliveTimeOutSeconds() > 0) {
        b.keepAliveTimeout(security.getKeepAliveTimeOutSeconds(), TimeUnit.SECONDS);
      }
    }
    ServerServiceDefinition service = new AgentService(engine).definition();
    b.addService(ServerInterceptors.intercept(service, new ConnectGuard(settings.getAuth())));
    if (s.isHealthServiceEnabled()) {
      b.addService(health.getHealthService());
    }
    return b.build();
  }

  private static InetSocketAddress address(GrpcSettings.Server s) {
    if (s.getAddress() == null || s.getAddress().isEmpty() || s.getAddress().equals("*")) {
      return new InetSocketAddress(s.getPort());
    }
    InetSocketAddress address = new InetSocketAddress(s.getAddress(), s.getPort());
    if (address.isUnresolved()) {
      throw new SettingsException(KEY + "address: no address is known of " + s.getAddress());
    }
    return address;
  }

  /**
   * Begins to listen.
   *
   * @throws IOException if the port is in use, or may not be had
   */
  public void start() throws IOException {
    try {
      server.start();
    } catch (IOException e) {
      stopThreads();
      throw new IOException(
          KEY
              + "port: can't listen on "
              + settings.getServer().getAddress()
              + ":"
              + settings.getServer().getPort()
              + ": "
              + (e.getCause() == null ? e.getMessage() : e.getCause().getMessage()),
          e);
    }
    health.setStatus(ScaleAgentGrpc.SERVICE_NAME, ServingStatus.SERVING);
    boolean tls = settings.getServer().getSecurity().isEnabled();
    log.info(
        "agents may connect at port {}, {}", server.getPort(), tls ? "by TLS" : "in plain text");
  }

  /** The port that it listens at. */
  public int port() {
    return server.getPort();
  }

  /** Asks all agents to go, for two seconds at most, and ends. The second time it does nothing. */
  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    health.enterTerminalState();
    engine.close(); // before the server says GOAWAY: a Goodbye has to reach every agent
    server.shutdown();
    try {
      if (!server.awaitTermination(2, TimeUnit.SECONDS)) {
        server.shutdownNow();
        server.awaitTermination(1, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    stopThreads();
  }

  /** Ends all connections at once, as the end of the process would: for tests. */
  void abort() {
    closed.set(true);
    server.shutdownNow(); // what still runs may use its threads to the end
  }

  private void stopThreads() {
    streams.shutdown();
    accept.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    network.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }
}
