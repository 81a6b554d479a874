// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.grpc;

import java.util.ArrayList;
import java.util.List;

/**
 * The settings below {@code kubesvc.grpc}, as a bean for Spring's binder. Names and defaults are
 * those of the reference; {@code auth.token} and {@code auth.x509.accounts} are this plugin's own.
 */
public class GrpcSettings {
  private Server server = new Server();
  private Auth auth = new Auth();

  public Server getServer() {
    return server;
  }

  public void setServer(Server server) {
    this.server = server;
  }

  public Auth getAuth() {
    return auth;
  }

  public void setAuth(Auth auth) {
    this.auth = auth;
  }

  /** {@code kubesvc.grpc.server}. */
  public static class Server {
    private String address = "*";
    private int port = 9091;
    private boolean healthServiceEnabled = true;
    private String maxInboundMessageSize = "4MB";
    private Security security = new Security();

    /** To bind to; "*" for all. */
    public String getAddress() {
      return address;
    }

    public void setAddress(String address) {
      this.address = address;
    }

    /** 0 for any that is free, which is for tests. */
    public int getPort() {
      return port;
    }

    public void setPort(int port) {
      this.port = port;
    }

    public boolean isHealthServiceEnabled() {
      return healthServiceEnabled;
    }

    public void setHealthServiceEnabled(boolean healthServiceEnabled) {
      this.healthServiceEnabled = healthServiceEnabled;
    }

    /**
     * A number of bytes, or one with B, KB, MB, GB. Objects come in parts: it need not be as large
     * as the largest.
     */
    public String getMaxInboundMessageSize() {
      return maxInboundMessageSize;
    }

    public void setMaxInboundMessageSize(String maxInboundMessageSize) {
      this.maxInboundMessageSize = maxInboundMessageSize;
    }

    public Security getSecurity() {
      return security;
    }

    public void setSecurity(Security security) {
      this.security = security;
    }
  }

  /** Whether clients have to show a certificate. */
  public enum ClientAuth {
    NONE,
    OPTIONAL,
    REQUIRE
  }

  /** {@code kubesvc.grpc.server.security}. Files are PEM, by path or {@code file:} URL. */
  public static class Security {
    private boolean enabled;
    private String certificateChain;
    private String privateKey;
    private String privateKeyPassword;
    private ClientAuth clientAuth = ClientAuth.NONE;
    private List<String> ciphers = new ArrayList<>();
    private String trustCertCollection;
    private List<String> protocols = new ArrayList<>();
    private Integer keepAliveHeartbeatSeconds;
    private Integer keepAliveTimeOutSeconds;

    /** TLS. Plain text without it. */
    public boolean isEnabled() {
      return enabled;
    }

    public void setEnabled(boolean enabled) {
      this.enabled = enabled;
    }

    public String getCertificateChain() {
      return certificateChain;
    }

    public void setCertificateChain(String certificateChain) {
      this.certificateChain = certificateChain;
    }

    /** PKCS#8. */
    public String getPrivateKey() {
      return privateKey;
    }

    public void setPrivateKey(String privateKey) {
      this.privateKey = privateKey;
    }

    /** Null if the key has none. */
    public String getPrivateKeyPassword() {
      return privateKeyPassword;
    }

    public void setPrivateKeyPassword(String privateKeyPassword) {
      this.privateKeyPassword = privateKeyPassword;
    }

    public ClientAuth getClientAuth() {
      return clientAuth;
    }

    public void setClientAuth(ClientAuth clientAuth) {
      this.clientAuth = clientAuth;
    }

    /** Empty: the library's. */
    public List<String> getCiphers() {
      return ciphers;
    }

    public void setCiphers(List<String> ciphers) {
      this.ciphers = ciphers;
    }

    /** Whose clients' certificates are taken; null: the system's. */
    public String getTrustCertCollection() {
      return trustCertCollection;
    }

    public void setTrustCertCollection(String trustCertCollection) {
      this.trustCertCollection = trustCertCollection;
    }

    /** "TLSv1.2" and so on; empty: the library's. */
    public List<String> getProtocols() {
      return protocols;
    }

    public void setProtocols(List<String> protocols) {
      this.protocols = protocols;
    }

    /** Longest silence of an agent, seconds; null: 10; 0: it may be silent for ever. */
    public Integer getKeepAliveHeartbeatSeconds() {
      return keepAliveHeartbeatSeconds;
    }

    public void setKeepAliveHeartbeatSeconds(Integer keepAliveHeartbeatSeconds) {
      this.keepAliveHeartbeatSeconds = keepAliveHeartbeatSeconds;
    }

    /** How much longer until its stream is given up, seconds; null: 10. */
    public Integer getKeepAliveTimeOutSeconds() {
      return keepAliveTimeOutSeconds;
    }

    public void setKeepAliveTimeOutSeconds(Integer keepAliveTimeOutSeconds) {
      this.keepAliveTimeOutSeconds = keepAliveTimeOutSeconds;
    }
  }

  /** {@code kubesvc.grpc.auth}: who may connect, and with what. */
  public static class Auth {
    private String token;
    private X509 x509 = new X509();

    /** That agents must show, "authorization: Bearer ..."; null or empty: none is asked for. */
    public String getToken() {
      return token;
    }

    public void setToken(String token) {
      this.token = token;
    }

    public X509 getX509() {
      return x509;
    }

    public void setX509(X509 x509) {
      this.x509 = x509;
    }
  }

  /** {@code kubesvc.grpc.auth.x509}. */
  public static class X509 {
    private boolean enabled;
    private List<String> filters = new ArrayList<>();
    private List<AccountsOfSubject> accounts = new ArrayList<>();

    public boolean isEnabled() {
      return enabled;
    }

    public void setEnabled(boolean enabled) {
      this.enabled = enabled;
    }

    /** Whose certificate's subject one of these fits may connect: see {@link SubjectFilter}. */
    public List<String> getFilters() {
      return filters;
    }

    public void setFilters(List<String> filters) {
      this.filters = filters;
    }

    /** Which accounts a subject may bring; empty: whoever may connect may bring any. */
    public List<AccountsOfSubject> getAccounts() {
      return accounts;
    }

    public void setAccounts(List<AccountsOfSubject> accounts) {
      this.accounts = accounts;
    }
  }

  /** An entry of {@code kubesvc.grpc.auth.x509.accounts}. */
  public static class AccountsOfSubject {
    private String subject = "";
    private List<String> accounts = new ArrayList<>();

    /** As a filter: see {@link SubjectFilter}. */
    public String getSubject() {
      return subject;
    }

    public void setSubject(String subject) {
      this.subject = subject;
    }

    /** Names; "*" stands for any characters. */
    public List<String> getAccounts() {
      return accounts;
    }

    public void setAccounts(List<String> accounts) {
      this.accounts = accounts;
    }
  }
}
