// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.netty.handler.ssl.ClientAuth;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContext;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder;
import java.io.File;
import java.net.URI;
import javax.net.ssl.SSLException;

/** {@code kubesvc.grpc.server.security} as netty wants it. */
final class Tls {
  private static final String KEY = "kubesvc.grpc.server.security.";

  private Tls() {}

  /**
   * @throws SettingsException if a file is not there or not what it should be
   */
  static SslContext context(GrpcSettings.Security s) {
    File chain = file("certificateChain", s.getCertificateChain(), true);
    File key = file("privateKey", s.getPrivateKey(), true);
    File trust = file("trustCertCollection", s.getTrustCertCollection(), false);
    String password = s.getPrivateKeyPassword();
    try {
      SslContextBuilder b =
          GrpcSslContexts.configure(
              SslContextBuilder.forServer(
                  chain, key, password == null || password.isEmpty() ? null : password));
      b.clientAuth(ClientAuth.valueOf(s.getClientAuth().name()));
      if (trust != null) {
        b.trustManager(trust);
      }
      if (!s.getProtocols().isEmpty()) {
        b.protocols(s.getProtocols());
      }
      if (!s.getCiphers().isEmpty()) {
        b.ciphers(s.getCiphers());
      }
      return b.build();
    } catch (SSLException | IllegalArgumentException e) {
      throw new SettingsException(KEY + "*: TLS can't be set up: " + reason(e), e);
    }
  }

  private static String reason(Throwable e) {
    return e.getCause() == null
        ? e.getMessage()
        : e.getMessage() + ": " + e.getCause().getMessage();
  }

  private static File file(String name, String reference, boolean needed) {
    if (reference == null || reference.trim().isEmpty()) {
      if (needed) {
        throw new SettingsException(KEY + name + " is missing, but " + KEY + "enabled is set");
      }
      return null;
    }
    File file;
    try {
      file = reference.startsWith("file:") ? new File(URI.create(reference)) : new File(reference);
    } catch (IllegalArgumentException e) {
      throw new SettingsException(KEY + name + " is no path and no URL of a file: " + reference, e);
    }
    if (!file.canRead()) {
      throw new SettingsException(KEY + name + ": " + file + " can't be read");
    }
    return file;
  }
}
