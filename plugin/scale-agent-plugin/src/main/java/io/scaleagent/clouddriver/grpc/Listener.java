// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import io.grpc.netty.shaded.io.netty.channel.Channel;
import io.grpc.netty.shaded.io.netty.channel.ChannelHandlerContext;
import io.grpc.netty.shaded.io.netty.channel.ChannelInboundHandlerAdapter;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioServerSocketChannel;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslHandler;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The socket that listens. The library keeps to itself whom a TLS handshake failed with, and why; a
 * handler at the front of each connection says so.
 */
final class Listener extends NioServerSocketChannel {
  private static final Logger log = LoggerFactory.getLogger(Listener.class);
  private static final long SAID_NANOS = 10_000_000_000L;
  private static final int SAID_MOST = 1000;

  /** By host, when it was said last: a peer that tries again all the time is not said each time. */
  private final Map<String, Long> said =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Long> eldest) {
          return size() > SAID_MOST;
        }
      };

  @Override
  protected int doReadMessages(List<Object> connections) throws Exception {
    int had = connections.size();
    int n = super.doReadMessages(connections);
    for (Object connection : connections.subList(had, connections.size())) {
      ((Channel) connection).pipeline().addFirst(new FirstBytes());
    }
    return n;
  }

  /** By the first bytes of a client the handler of TLS is in place. */
  private final class FirstBytes extends ChannelInboundHandlerAdapter {
    @Override
    public void channelRead(ChannelHandlerContext context, Object bytes) {
      SslHandler tls = context.pipeline().get(SslHandler.class);
      if (tls != null) {
        SocketAddress from = context.channel().remoteAddress();
        tls.handshakeFuture()
            .addListener(
                f -> {
                  if (!f.isSuccess()) {
                    refused(from, f.cause());
                  }
                });
      }
      context.pipeline().remove(this);
      context.fireChannelRead(bytes);
    }
  }

  private void refused(SocketAddress from, Throwable cause) {
    String host =
        from instanceof InetSocketAddress
            ? ((InetSocketAddress) from).getHostString()
            : String.valueOf(from);
    synchronized (said) {
      long now = System.nanoTime();
      Long before = said.remove(host);
      boolean again = before != null && now - before < SAID_NANOS;
      said.put(host, again ? before : now);
      if (again) {
        return;
      }
    }
    log.warn(
        "client {} is turned away, the TLS handshake failed: {}",
        String.valueOf(from).replaceFirst("^/", ""),
        reason(cause));
  }

  /** What the innermost error says: those around it only say that there was one. */
  private static String reason(Throwable cause) {
    Throwable t = cause;
    while (t.getCause() != null && t.getCause() != t) {
      t = t.getCause();
    }
    String text = String.valueOf(t.getMessage() == null ? t : t.getMessage());
    return text.length() > 200 ? text.substring(0, 200) + "..." : text;
  }
}
