// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import java.net.InetAddress;
import java.net.UnknownHostException;
import org.springframework.core.env.Environment;

/** This Clouddriver as others see it. Immutable. */
public final class HostAddress {
  private final String name;
  private final String baseUrl;

  private HostAddress(String name, String baseUrl) {
    this.name = name;
    this.baseUrl = baseUrl;
  }

  /**
   * By kubesvc.baseUrl, else by the machine's address (in Kubernetes the pod's) and Clouddriver's
   * port.
   */
  public static HostAddress of(Environment environment) {
    String port = environment.getProperty("server.port", "7002");
    boolean tls = environment.getProperty("server.ssl.enabled", Boolean.class, false);
    String name = "localhost";
    String address = "";
    try {
      InetAddress local = InetAddress.getLocalHost();
      name = local.getHostName();
      String ip = local.getHostAddress();
      address = (tls ? "https://" : "http://") + (ip.contains(":") ? "[" + ip + "]" : ip);
    } catch (UnknownHostException e) {
      // Others can't reach it then, unless they are told how.
    }
    String baseUrl = new KubesvcSettings(environment).baseUrl();
    if (baseUrl.isEmpty() && !address.isEmpty()) {
      baseUrl = address + ":" + port;
    }
    return new HostAddress(name + ":" + port, baseUrl);
  }

  /** For people: host and port. */
  public String name() {
    return name;
  }

  /** Where others reach its REST; "" if that is not known. */
  public String baseUrl() {
    return baseUrl;
  }
}
