// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.peers;

import com.sun.net.httpserver.HttpServer;
import io.scaleagent.clouddriver.accounts.AccountCatalog;
import io.scaleagent.clouddriver.accounts.AgentAccount;
import io.scaleagent.clouddriver.accounts.ConnectedAgent;
import io.scaleagent.clouddriver.accounts.Replica;
import io.scaleagent.clouddriver.protocol.AccountProperties;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;

/** Clouddrivers that share a database, without one: each serves its endpoint on a port. */
final class Replicas implements AutoCloseable {
  final List<One> all = new CopyOnWriteArrayList<>();
  final List<AgentAccount> accounts = new ArrayList<>();
  final List<ConnectedAgent> agents = new ArrayList<>();

  /** What came over the wire, requests and responses. */
  final List<byte[]> wire = new CopyOnWriteArrayList<>();

  private final ExecutorService threads = Executors.newCachedThreadPool();

  /** A secret that tests may change, and a clock that they may move. */
  static final class Secret implements SharedSecret {
    byte[] value = new byte[32];
    long ahead;
    int refreshed;

    @Override
    public byte[] secret() {
      return value;
    }

    @Override
    public long now() {
      return System.currentTimeMillis() + ahead;
    }

    @Override
    public void refresh() {
      refreshed++;
    }
  }

  /** One Clouddriver. */
  final class One implements LocalOperations {
    final Secret secret = new Secret();
    final List<String> done = new CopyOnWriteArrayList<>();
    final List<String> disconnected = new CopyOnWriteArrayList<>();
    final String id;
    final HttpServer server;
    final PeerEndpoint endpoint;
    final PeerOperations peers;
    volatile CompletableFuture<List<byte[]>> next = answer("done");

    One(String id) {
      this.id = id;
      this.endpoint = new PeerEndpoint(secret, () -> id, () -> this, this::disconnect);
      try {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      server.setExecutor(threads);
      server.createContext(
          PeerEndpoint.PATH,
          x -> {
            byte[] request = x.getRequestBody().readAllBytes();
            wire.add(request);
            PeerEndpoint.Reply r = endpoint.handle(request, "test").join();
            byte[] body = r.body() == null ? r.reason().getBytes(StandardCharsets.UTF_8) : r.body();
            wire.add(body);
            x.sendResponseHeaders(r.status(), body.length);
            try (OutputStream out = x.getResponseBody()) {
              out.write(body);
            }
          });
      server.start();
      peers = new PeerOperations(new Catalog(id), secret);
    }

    private boolean disconnect(String agent) {
      if (agent.equals("broken")) {
        throw new IllegalStateException("it broke");
      }
      return agent.equals("agent") && disconnected.add(agent);
    }

    @Override
    public boolean has(String account) {
      return true;
    }

    @Override
    public CompletableFuture<List<byte[]>> run(String account, byte[] operation, Duration t) {
      done.add(account + " " + new String(operation, StandardCharsets.UTF_8) + " " + t.toMillis());
      return next;
    }

    String url() {
      return "http://127.0.0.1:" + server.getAddress().getPort();
    }
  }

  One add(String id) {
    One one = new One(id);
    all.add(one);
    return one;
  }

  /** The account is kept by an agent that is connected there. */
  void kept(String account, String agent, String clouddriver) {
    AccountProperties p =
        new AccountProperties(
            "api:6443",
            "",
            "v1.36.3",
            "uid",
            Map.of(),
            List.of(),
            List.of(),
            List.of(),
            List.of(),
            false,
            false);
    accounts.add(new AgentAccount(account, p, "", 1, agent, clouddriver, Instant.EPOCH));
  }

  /** The agent is connected there and has the account, which nobody keeps. */
  void named(String account, String agent, String clouddriver) {
    agents.add(new ConnectedAgent(agent, clouddriver, Instant.EPOCH, Set.of(account), Set.of()));
  }

  static CompletableFuture<List<byte[]>> answer(String... parts) {
    return CompletableFuture.completedFuture(
        Arrays.stream(parts)
            .map(p -> p.getBytes(StandardCharsets.UTF_8))
            .collect(Collectors.toList()));
  }

  @Override
  public void close() {
    all.forEach(
        o -> {
          o.server.stop(0);
          o.peers.close();
        });
    threads.shutdownNow();
  }

  private final class Catalog implements AccountCatalog {
    private final String self;

    Catalog(String self) {
      this.self = self;
    }

    @Override
    public long revision() {
      return 0;
    }

    @Override
    public List<AgentAccount> accounts() {
      return accounts;
    }

    @Override
    public Optional<AgentAccount> account(String name) {
      return accounts.stream().filter(a -> a.name().equals(name)).findFirst();
    }

    @Override
    public Set<String> storing(Collection<String> accounts, String group, String resource) {
      return Set.of();
    }

    @Override
    public List<ConnectedAgent> agents() {
      return agents;
    }

    @Override
    public List<Replica> clouddrivers() {
      return all.stream()
          .map(o -> new Replica(o.id, o.url(), Instant.EPOCH, true))
          .collect(Collectors.toList());
    }

    @Override
    public String clouddriverId() {
      return self;
    }
  }
}
