// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.scaleagent.clouddriver.protocol.Client;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets in who shows the token and a certificate that fits, and turns away all others with a status
 * that says why.
 */
final class ConnectGuard implements ServerInterceptor {
  private static final Logger log = LoggerFactory.getLogger(ConnectGuard.class);
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  /** Of a call that was let in. */
  static final Context.Key<Client> CLIENT = Context.key("scale-agent-client");

  private final byte[] authorization; // null: no token is asked for
  private final List<SubjectFilter> filters; // null: any certificate, or none

  ConnectGuard(GrpcSettings.Auth settings) {
    String token = settings.getToken();
    authorization = token == null || token.isEmpty() ? null : bytes("Bearer " + token);
    filters = settings.getX509().isEnabled() ? filters(settings.getX509().getFilters()) : null;
  }

  private static List<SubjectFilter> filters(List<String> expressions) {
    if (expressions.isEmpty()) {
      throw new SettingsException(
          "kubesvc.grpc.auth.x509.enabled is set, but kubesvc.grpc.auth.x509.filters is empty: nobody could connect");
    }
    List<SubjectFilter> list = new ArrayList<>();
    for (int i = 0; i < expressions.size(); i++) {
      list.add(new SubjectFilter("kubesvc.grpc.auth.x509.filters[" + i + "]", expressions.get(i)));
    }
    return list;
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public <Q, A> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
    SocketAddress address = call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
    String subject = subject(call.getAttributes().get(Grpc.TRANSPORT_ATTR_SSL_SESSION));
    Client client = new Client(String.valueOf(address).replaceFirst("^/", ""), subject);
    Status status = check(client, headers.get(AUTHORIZATION));
    if (!status.isOk()) {
      log.warn(
          "client {} is turned away, {}: {}", client, status.getCode(), status.getDescription());
      call.close(status, new Metadata());
      return new ServerCall.Listener<>() {};
    }
    return Contexts.interceptCall(Context.current().withValue(CLIENT, client), call, headers, next);
  }

  private Status check(Client client, String shown) {
    if (authorization != null
        && (shown == null || !MessageDigest.isEqual(authorization, bytes(shown)))) {
      return Status.UNAUTHENTICATED.withDescription(
          shown == null
              ? "a token is needed: clouddriver.auth.token of the agent"
              : "the token is wrong");
    }
    if (filters == null) {
      return Status.OK;
    }
    if (client.subject().isEmpty()) {
      return Status.UNAUTHENTICATED.withDescription("a client certificate is needed");
    }
    return filters.stream().anyMatch(f -> f.fits(client.subject()))
        ? Status.OK
        : Status.PERMISSION_DENIED.withDescription(
            "no filter of kubesvc.grpc.auth.x509.filters fits " + client.subject());
  }

  private static String subject(SSLSession session) {
    if (session == null) {
      return "";
    }
    try {
      Certificate[] chain = session.getPeerCertificates();
      return ((X509Certificate) chain[0]).getSubjectX500Principal().getName();
    } catch (SSLPeerUnverifiedException e) {
      return ""; // it showed none
    }
  }
}
